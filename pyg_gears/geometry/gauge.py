"""The gauge: the one representative of a layout's class under shift and scale in which everything is compared."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.geometry.checked_coordinates import check_coordinates

MIN_RMS = 1e-6


def gauge_fix(
    pos: Float[Tensor, "n d"], batch: Int[Tensor, " n"] | None = None, num_graphs: int | None = None
) -> Float[Tensor, "n d"]:
    r"""Centre every graph's layout and divide it by its root mean square radius.

    .. math:: x_i' = (x_i - \bar x) / \max(\mathrm{RMS}, 10^{-6}), \quad \mathrm{RMS} = \sqrt{\tfrac1n \sum_i \|x_i - \bar x\|^2}

    Differentiable everywhere, also where all points coincide (they stay at the origin). Nodes without a place (a NaN) keep none
    and take no part; a graph that holds one has no gradient. Half precision is computed in float32.

    Args:
        pos: Coordinates, shape (n, d), any unit.
        batch: Graph of each node, shape (n,), values 0..b-1; one graph if omitted.
        num_graphs: Number of graphs b; read from ``batch`` if omitted (which waits for the device).

    Returns:
        Coordinates in the gauge, shape (n, d), mean 0 and RMS 1 per graph.

    Raises:
        InputError: when ``pos`` is no matrix of floats.

    >>> gauge_fix(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    tensor([[-1.,  0.],
            [ 1.,  0.]])
    """
    check_coordinates(pos)
    if pos.dtype in (torch.float16, torch.bfloat16):
        # Half precision holds neither the square of the least RMS nor that of a coordinate beyond 255.
        return gauge_fix(pos.float(), batch, num_graphs).to(pos.dtype)
    placed = ~pos.isnan().any(dim=-1)
    pos = pos.where(placed[:, None], torch.nan)  # half a place is none
    if batch is None:
        centred = pos - pos.nanmean(dim=0, keepdim=True)
        return centred / _rms(centred.square().sum(dim=-1).nanmean())
    b = num_graphs if num_graphs is not None else (int(batch.max()) + 1 if batch.numel() else 0)
    count = pos.new_zeros(b).index_add(0, batch, placed.to(pos.dtype)).clamp(min=1)
    mean = pos.new_zeros(b, pos.size(1)).index_add(0, batch, pos.where(placed[:, None], 0.0)) / count[:, None]
    centred = pos - mean.index_select(0, batch)
    square = centred.square().sum(dim=-1).where(placed, 0.0)
    mean_square = pos.new_zeros(b).index_add(0, batch, square) / count
    return centred / _rms(mean_square).index_select(0, batch)[:, None]


def principal_frame(pos: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Gauge-fix and turn the longest axis to x, with each axis' sign chosen so that its skewness is positive.

    The deterministic pose in which layouts are written and drawn; a proper choice among all rotations and mirrors
    of the same layout. Where the two variances coincide the axes are arbitrary, as they must be. Nodes without a place (NaN)
    keep none. Half precision is computed in float32.
    """
    check_coordinates(pos)
    x = gauge_fix(pos.to(torch.promote_types(pos.dtype, torch.float32)))
    # Of fewer nodes than axes the lean decomposition would leave axes out.
    _, _, axes = torch.linalg.svd(x.nan_to_num(), full_matrices=x.size(0) < x.size(1))
    x = x @ axes.T
    sign = torch.where(x.pow(3).nansum(dim=0) < 0, -1.0, 1.0).to(x.dtype)
    return (x * sign).to(pos.dtype)


def _rms(mean_square: Tensor) -> Tensor:
    # Clamped before the root: the root's gradient at zero is infinite.
    return mean_square.clamp(min=MIN_RMS**2).sqrt()

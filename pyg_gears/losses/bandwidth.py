"""Bandwidths and weights for predictions that are still far from the truth."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import expect
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.losses.membership import gauged, target_values
from pyg_gears.targets import neighbor_count


def effective_bandwidth(pos: Float[Tensor, "n d"], batch: Data, k: int | None = None) -> Float[Tensor, " n"]:
    r"""The geometric mean of the true and the predicted bandwidth of every node, for :func:`random_walk_kl` and its kin.

    .. math:: \sigma_{eff} = \sqrt{\sigma \hat\sigma}

    with :math:`\hat\sigma` the distance to the k-th neighbour in the prediction. A layout whose neighbourhoods are far too wide
    or too narrow keeps a gradient. None flows through it: a model cannot widen its own bandwidth.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch (or one graph) with ``sigma``.
        k: Neighbours per node, as the targets were built with; ``neighbor_count(n)`` if omitted.

    Returns:
        Bandwidths in the gauge, shape (n,), without a gradient; the true ones for the true coordinates.
    """
    members, x = gauged(pos, batch)
    # A diverged prediction shows in the loss; the search takes finite numbers only.
    x, found = x.detach().nan_to_num(0.0, 0.0, 0.0), []
    for start, stop in zip(members.ptr[:-1].tolist(), members.ptr[1:].tolist(), strict=True):
        distance = nearest_neighbors(x[start:stop], neighbor_count(stop - start, k)).distance
        found.append(distance[:, -1] if distance.size(1) else x.new_zeros(stop - start))
    return (target_values(batch, "sigma", x.size(0)).to(x.dtype) * torch.cat(found)).sqrt()


def noise_weight(noise: Float[Tensor, " ..."], start: float) -> Float[Tensor, " ..."]:
    r"""Weight of a geometric loss at a noise level of a denoiser: full below ``start``, falling with the square beyond.

    .. math:: w(\sigma) = \min(1, (\sigma_0 / \sigma)^2)

    At high noise the best prediction is a mean of layouts, which has no neighbourhoods to compare.

    Args:
        noise: :math:`\sigma` >= 0, any shape.
        start: :math:`\sigma_0` > 0, in the same unit.

    Returns:
        Weights in (0, 1] of the same shape.

    Raises:
        InputError: for a start that is not above 0.
    """
    expect(start > 0, f"expected a noise level above 0 to start from, found {start}; raise start.")
    return (start / noise.clamp(min=start)).square()

"""Contours: the nodes at which the signal of a graph jumps."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.graphs import checked_edges


def boundary_mask(
    signal: Float[Tensor, "n c"],
    edge_index: Int[Tensor, "2 e"],
    *,
    threshold: float = 0.25,
    side: Literal["figure", "both"] = "figure",
) -> Bool[Tensor, " n"]:
    r"""Which nodes lie on a contour: an end of an edge along which the signal jumps.

    .. math:: \|s_i - s_j\| > \theta \max_{kl} \|s_k - s_l\|

    Args:
        signal: Signal s of the nodes, shape (n, c), finite.
        edge_index: Edges, shape (2, e).
        threshold: :math:`\theta` in [0, 1): share of the largest jump along an edge.
        side: "figure": of the two ends the one that is farther from the mean signal, which is the line and not the paper
            around it (both, where they are equally far); "both": either end.

    Returns:
        Mask (n,); all False where the signal is constant.

    Raises:
        InputError: for a threshold outside [0, 1), a signal with NaN or infinity, or an unknown side.

    >>> boundary_mask(torch.tensor([[0.0], [0.0], [1.0], [0.0]]), torch.tensor([[0, 1, 2], [1, 2, 3]]))
    tensor([False, False,  True, False])
    """
    expect(
        0 <= threshold < 1, f"expected a threshold in [0, 1), found {threshold:g}; give a share of the largest jump."
    )
    expect(side in ("figure", "both"), f"expected the side figure or both, found {side!r}; name one.")
    check_finite(signal=signal)
    values = signal.double()
    source, target = checked_edges(edge_index, signal.size(0))
    jump = (values[source] - values[target]).norm(dim=1)
    mask = torch.zeros(signal.size(0), dtype=torch.bool, device=signal.device)
    largest = jump.max() if jump.numel() else jump.new_zeros(())
    strong = jump > threshold * largest
    source, target = source[strong], target[strong]
    if side == "both":
        mask[source] = mask[target] = True
        return mask
    away = (values - values.mean(dim=0)).norm(dim=1)
    # Rounding must not decide between ends that are equally far.
    slack = 1e-9 * largest
    mask[source[away[source] >= away[target] - slack]] = True
    mask[target[away[target] >= away[source] - slack]] = True
    return mask

"""Who is a neighbour, and over which distance: what neighbourhood component analysis compares."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.geometry import checked_coordinates, gauge_fix, nearest_neighbors
from pyg_gears.targets.random_walk import neighbor_count


class NeighborhoodTarget(NamedTuple):
    """``edge_index`` (2, n k) from k neighbours to each node; ``tau`` (1,), the squared distance over which they count."""

    edge_index: Int[Tensor, "2 p"]
    tau: Float[Tensor, " 1"]


def neighborhood_target(pos: Float[Tensor, "n d"], k: int | None = None) -> NeighborhoodTarget:
    r"""The true neighbours of one graph, and :math:`\tau`, the median squared distance to the k-th of them, in the gauge.

    Args:
        pos: True coordinates, shape (n, d), any unit.
        k: Neighbours per node; ``neighbor_count(n)`` if omitted.

    Returns:
        The target, in the float dtype of ``pos`` (float32 for half precision).

    Raises:
        InputError: when ``pos`` is no matrix of finite floats.

    Source: Goldberger et al., Neighbourhood components analysis, 2004; it learns a metric, whose scale takes the part of tau.
    """
    pos = checked_coordinates(pos, finite=True)
    n = pos.size(0)
    neighbors = nearest_neighbors(gauge_fix(pos), neighbor_count(n, k))
    k = neighbors.index.size(1)
    edge_index = torch.stack([neighbors.index.reshape(-1), torch.arange(n, device=pos.device).repeat_interleave(k)])
    tau = neighbors.distance[:, -1].median().square().clamp(min=1e-12) if k else pos.new_ones(())
    return NeighborhoodTarget(edge_index, tau[None])

"""How many of a point's true neighbours are its neighbours in a prediction."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.losses.latent import true_edges

NEIGHBORS = 15


def neighbor_overlap(
    v: Float[Tensor, "b m d"], target: Float[Tensor, "b m k"], mask: Bool[Tensor, "b m"] | None = None
) -> Float[Tensor, " b"]:
    """Mean Jaccard overlap of the 15 nearest neighbours of each point on both sides, a value per set.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, k).
        mask: Places that hold a point, shape (b, m); all if omitted.
    """
    tables = []
    for side in (v, target):
        near = true_edges(side, mask, NEIGHBORS)
        empty = side.new_zeros(side.size(0), side.size(1), side.size(1))
        tables.append(empty.scatter_add(2, near.index, near.found.to(side.dtype)))
    both, either = (tables[0] * tables[1]).sum(dim=2), tables[0].maximum(tables[1]).sum(dim=2)
    share = both / either.clamp(min=1)
    count = v.size(1) if mask is None else mask.sum(dim=1)
    return share.sum(dim=1) / count

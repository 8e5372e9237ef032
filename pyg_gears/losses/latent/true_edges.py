"""The true nearest neighbours within sets: found once, read by several losses."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.targets.near_in_set import near_in_set


class TrueEdges(NamedTuple):
    """Edges i -> j to the k nearest others of every point of padded sets.

    Attributes:
        index: Place j in the set, shape (b, m, k).
        found: Which of these are edges: between two points, of sets large enough, shape (b, m, k).
    """

    index: Int[Tensor, "b m k"]  # type: ignore[assignment]  # hides tuple.index
    found: Bool[Tensor, "b m k"]

    def mean(self, values: Float[Tensor, "b m k"]) -> Float[Tensor, " b"]:
        """Mean over the edges of each set, 0 without any."""
        return (values * self.found).sum(dim=(1, 2)) / self.found.sum(dim=(1, 2)).clamp(min=1)


def true_edges(target: Float[Tensor, "b m e"], mask: Bool[Tensor, "b m"] | None = None, k: int = 15) -> TrueEdges:
    """Find them.

    Args:
        target: True factors of padded sets, shape (b, m, e).
        mask: Places that hold a point, shape (b, m); all if omitted.
        k: Neighbours.
    """
    distance, index = near_in_set(target, mask, k)
    found = distance.isfinite()
    return TrueEdges(index, found if mask is None else found & mask[..., None])

"""The nearest other points of every point of padded sets."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@torch.no_grad()
def near_in_set(
    pos: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None, k: int
) -> tuple[Float[Tensor, "b m k"], Int[Tensor, "b m k"]]:
    """Distance and place of the k nearest other points, all sets at once; ties as they fall.

    Args:
        pos: Points of padded sets, shape (b, m, d).
        mask: Places that hold a point, shape (b, m); all if omitted.
        k: Neighbours; at most m - 1 are returned.

    Returns:
        Distances (infinite where a set has fewer points) and places in the set, shape (b, m, k) each.
    """
    m, pos = pos.size(1), pos.to(torch.promote_types(pos.dtype, torch.float32))  # torch has no half distances
    exact = "donot_use_mm_for_euclid_dist" if pos.size(2) <= 3 else "use_mm_for_euclid_dist_if_necessary"
    distance = torch.cdist(pos, pos, compute_mode=exact)
    distance = distance.masked_fill(torch.eye(m, dtype=torch.bool, device=pos.device), torch.inf)
    if mask is not None:
        distance = distance.masked_fill(~mask[:, None, :], torch.inf)
    near = distance.topk(max(0, min(k, m - 1)), dim=2, largest=False)
    return near.values, near.indices

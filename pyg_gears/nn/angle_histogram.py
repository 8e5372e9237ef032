"""The angles between a point's nearest neighbours, as a histogram: what its surroundings look like from it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.targets.near_in_set import near_in_set


@torch.no_grad()
def angle_histogram(
    pos: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None = None, k: int = 12, bins: int = 8
) -> Float[Tensor, "b m t"]:
    r"""Share of the pairs of a point's k nearest neighbours whose angle's cosine lies in each bin.

    .. math:: h_{it} = \frac{\#\{(j, l) : \cos \angle (x_j - x_i, x_l - x_i) \in \mathrm{bin}_t\}}{\#\{(j, l)\}},
        \quad j < l \in kNN(i)

    with equal bins over [-1, 1]. Invariant under motions and scale of a set. Neighbours that coincide with the point show no
    direction and are left out; without a pair the histogram is zero. No gradient: it counts.

    Args:
        pos: Points of padded sets, shape (b, m, d).
        mask: Places that hold a point, shape (b, m); all if omitted.
        k: Neighbours.
        bins: Bins t.

    Returns:
        Shape (b, m, t); rows sum to 1, or are zero.
    """
    b, m, _ = pos.shape
    distance, index = near_in_set(pos, mask, k)
    width = index.size(2)
    direction = pos[torch.arange(b, device=pos.device)[:, None, None], index] - pos[:, :, None]
    length = direction.norm(dim=3, keepdim=True)
    seen = distance.isfinite() & (length[..., 0] > 0)
    direction = direction / length.clamp(min=torch.finfo(pos.dtype).tiny)
    cosine = direction @ direction.transpose(2, 3)
    first, second = torch.triu_indices(width, width, offset=1, device=pos.device)
    place = ((cosine[..., first, second] + 1) / 2 * bins).long().clamp(0, bins - 1)
    pair = (seen[..., first] & seen[..., second]).to(pos.dtype)
    counts = pos.new_zeros(b, m, bins).scatter_add(2, place, pair)
    return counts / counts.sum(dim=2, keepdim=True).clamp(min=1)

"""From points in many dimensions to a layout in the plane."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.targets.orthogonal_alignment import centred_sets


def principal_plane(v: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None) -> Float[Tensor, "b m 2"]:
    """The points along their own two longest axes: classical scaling of their distances.

    The axes are held fixed in the gradient; an axis' sign is such that its skewness is positive.

    Args:
        v: Points of padded sets, shape (b, m, d), d at least 2.
        mask: Places that hold a point, shape (b, m); all if omitted.
    """
    centred = centred_sets(v, mask)
    with torch.no_grad():
        wide = centred.double()
        gram = (wide.transpose(1, 2) @ wide).nan_to_num()  # what is NaN shows in the places, not in the decomposition
        axes = torch.linalg.eigh(gram).eigenvectors[..., [-1, -2]]
        skew = (wide @ axes).pow(3).sum(dim=1, keepdim=True)
        axes = (axes * torch.where(skew < 0, -1.0, 1.0)).to(v.dtype)
    return centred @ axes


@torch.no_grad()
def majorised(
    pos: Float[Tensor, "b m 2"], v: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None, rounds: int
) -> Float[Tensor, "b m 2"]:
    r"""Move a planar layout so that its distances come closer to those of the points: SMACOF, all pairs alike.

    Args:
        pos: First layout of padded sets, shape (b, m, 2).
        v: Points, shape (b, m, d).
        mask: Places that hold a point, shape (b, m); all if omitted.
        rounds: Rounds; no round raises :math:`\sum_{ij} (|x_i - x_j| - |v_i - v_j|)^2`.

    Source: de Leeuw, Applications of convex analysis to multidimensional scaling (1977).
    """
    dtype, wide = v.dtype, torch.promote_types(v.dtype, torch.float32)  # torch has no half distances
    pos, v = pos.to(wide), v.to(wide)
    wish = torch.cdist(v, v, compute_mode="donot_use_mm_for_euclid_dist")
    count = v.new_full((v.size(0), 1, 1), v.size(1)) if mask is None else mask.sum(dim=1).to(v.dtype)[:, None, None]
    if mask is not None:
        wish = wish * (mask[:, :, None] & mask[:, None, :])
    for _ in range(rounds):
        length = torch.cdist(pos, pos, compute_mode="donot_use_mm_for_euclid_dist")
        ratio = torch.where(length > 0, wish / length.clamp(min=torch.finfo(v.dtype).tiny), 0.0)
        pos = (ratio.sum(dim=2, keepdim=True) * pos - ratio @ pos) / count
    return pos.to(dtype)

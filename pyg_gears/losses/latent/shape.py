"""What is left of a set of points without its place and its size."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.targets.orthogonal_alignment import centred_sets, radius


def shape_of(
    v: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None = None, *, fixed_size: bool = False
) -> Float[Tensor, "b m d"]:
    r"""Points centred and divided by their root mean square radius; zeros in places without a node.

    Args:
        v: Points of padded sets, shape (b, m, d).
        mask: Places that hold a point, shape (b, m); all if omitted.
        fixed_size: Let no gradient flow through the radius.
    """
    centred = centred_sets(v, mask)
    size = radius(centred, mask)
    return centred / (size.detach() if fixed_size else size)[:, None, None]


def pair_mask(mask: Bool[Tensor, "b m"] | None, v: Float[Tensor, "b m d"]) -> Float[Tensor, "b m m"]:
    """1 where two places both hold a node, in the dtype of ``v``."""
    if mask is None:
        return v.new_ones(v.size(0), v.size(1), v.size(1))
    inside = mask.to(v.dtype)
    return inside[:, :, None] * inside[:, None, :]

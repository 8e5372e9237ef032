"""Points against the truth after the best turn, and their size against its size."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.losses.latent.shape import shape_of
from pyg_gears.targets.orthogonal_alignment import centred_sets, orthogonal_alignment, radius


def alignment_error(
    v: Float[Tensor, "b m d"], target: Float[Tensor, "b m k"], mask: Bool[Tensor, "b m"] | None = None
) -> Float[Tensor, " b"]:
    r"""Mean squared difference of the shapes, per coordinate, after the best turn in O(d).

    .. math:: \min_{Q} \frac{1}{n d} \|S Q - T\|^2

    The turn has no gradient, which is the exact gradient; through the decomposition it is not finite, since T is planar.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, k).
        mask: Places that hold a point, shape (b, m); all if omitted.
    """
    s, t = shape_of(v, mask), shape_of(target, mask)
    turned = t @ orthogonal_alignment(t, s.detach(), mask)
    count = v.size(1) if mask is None else mask.sum(dim=1)
    return (s - turned).square().sum(dim=(1, 2)) / (count * v.size(2))


def log_radius_error(
    v: Float[Tensor, "b m d"], target: Float[Tensor, "b m k"], mask: Bool[Tensor, "b m"] | None = None
) -> Float[Tensor, " b"]:
    r"""Squared logarithm of the ratio of the root mean square radii.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, k).
        mask: Places that hold a point, shape (b, m); all if omitted.
    """
    found, true = (radius(centred_sets(side, mask), mask) for side in (v, target))
    return (found.log() - true.log()).square()

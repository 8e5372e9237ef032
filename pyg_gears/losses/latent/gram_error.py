"""Inner products against the true ones."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.losses.latent.shape import pair_mask, shape_of


def gram_error(
    v: Float[Tensor, "b m d"], target: Float[Tensor, "b m k"], mask: Bool[Tensor, "b m"] | None = None
) -> Float[Tensor, " b"]:
    r"""Mean over all pairs of :math:`(S S^T - T T^T)^2_{ij}`, S and T the shapes of both sides.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, k).
        mask: Places that hold a point, shape (b, m); all if omitted.
    """
    pairs = pair_mask(mask, v)
    difference = _gram(shape_of(v, mask)) - _gram(shape_of(target, mask))
    return (difference.square() * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))


def relative_gram_error(
    v: Float[Tensor, "b m d"],
    target: Float[Tensor, "b m k"],
    mask: Bool[Tensor, "b m"] | None = None,
    floor: float = 0.05,
    diagonal: float = 0.5,
) -> Float[Tensor, " b"]:
    r"""Error of the inner products of different points in units of their own size, and half of that of the radii.

    .. math::
        \frac{\mathrm{mean}_{i \neq j} (S S^T - T T^T)_{ij}^2}{\max(\mathrm{mean}_{i \neq j} (T T^T)_{ij}^2, f \mu)}
        + \frac12 \frac{\sum_i (|s_i|^2 - |t_i|^2)^2}{\sum_i |t_i|^4}

    where :math:`\mu` is the median of the first denominator over the batch. The size of ``v`` has no gradient.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, k).
        mask: Places that hold a point, shape (b, m); all if omitted.
        floor: Least denominator f, as a share of the batch's median: the one thing by which sets of a batch meet.
        diagonal: Weight of the second term.
    """
    s, t = _gram(shape_of(v, mask, fixed_size=True)), _gram(shape_of(target, mask))
    pairs = pair_mask(mask, v)
    other = pairs - torch.diag_embed(pairs.diagonal(dim1=1, dim2=2))
    count = other.sum(dim=(1, 2)).clamp(min=1)
    size = (t.square() * other).sum(dim=(1, 2)) / count
    size = size.clamp(min=1e-12).maximum(floor * size.median())
    off = ((s - t).square() * other).sum(dim=(1, 2)) / count / size
    s_own, t_own = s.diagonal(dim1=1, dim2=2), t.diagonal(dim1=1, dim2=2)
    own = (s_own - t_own).square().sum(dim=1) / t_own.square().sum(dim=1).clamp(min=1e-12)
    return off + diagonal * own


def _gram(v: Tensor) -> Tensor:
    return v @ v.transpose(1, 2)

"""Inner products against the true ones."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.losses.latent.shape import shape_of


def gram_error(
    v: Float[Tensor, "b m d"], target: Float[Tensor, "b m k"], mask: Bool[Tensor, "b m"] | None = None
) -> Float[Tensor, " b"]:
    r"""Mean over all pairs of :math:`(S S^T - T T^T)^2_{ij}`, S and T the shapes of both sides.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, k).
        mask: Places that hold a point, shape (b, m); all if omitted.
    """
    s, t = shape_of(v, mask), shape_of(target, mask)
    return _square_difference(s, t) / _count(v, mask).square()


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
    s, t = shape_of(v, mask, fixed_size=True), shape_of(target, mask)
    s_own, t_own = s.square().sum(dim=2), t.square().sum(dim=2)
    own, true_own = (s_own - t_own).square().sum(dim=1), t_own.square().sum(dim=1)
    count = _count(v, mask)
    pairs = (count * (count - 1)).clamp(min=1)
    size = ((_square(t.transpose(1, 2) @ t) - true_own) / pairs).clamp(min=1e-12)
    off = (_square_difference(s, t) - own).clamp(min=0.0) / pairs
    return off / size.maximum(floor * size.median()) + diagonal * own / true_own.clamp(min=1e-12)


def _square_difference(s: Float[Tensor, "b m d"], t: Float[Tensor, "b m k"]) -> Float[Tensor, " b"]:
    r""":math:`\|S S^T - T T^T\|^2 = \|S^T S\|^2 - 2 \|S^T T\|^2 + \|T^T T\|^2`, without a matrix of pairs."""
    # In float64: the three terms cancel where S comes close.
    dtype, s, t = s.dtype, s.double(), t.double()
    st = s.transpose(1, 2)
    return (_square(st @ s) - 2 * _square(st @ t) + _square(t.transpose(1, 2) @ t)).clamp(min=0.0).to(dtype)


def _square(matrix: Tensor) -> Tensor:
    return matrix.square().sum(dim=(1, 2))


def _count(v: Tensor, mask: Tensor | None) -> Tensor:
    return v.new_full((v.size(0),), v.size(1)) if mask is None else mask.sum(dim=1).to(v.dtype)

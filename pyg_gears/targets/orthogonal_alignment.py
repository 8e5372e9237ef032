"""Orthogonal Procrustes for padded sets: turn one onto another, in any number of dimensions."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@torch.no_grad()
def orthogonal_alignment(
    source: Float[Tensor, "b m k"], target: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None = None
) -> Float[Tensor, "b k d"]:
    r"""The maps with orthonormal rows that bring the points of each set closest to their targets.

    .. math:: Q = \arg\min_{Q Q^T = 1} \|X Q - Y\|^2 = U W^T, \quad X^T Y = U S W^T

    both sides centred. With k = d this is Procrustes in O(d); with k < d a k-dimensional layout is laid into d dimensions, as if
    padded with zeros, and only the part of the map that the layout reaches is returned: the rest is not determined.

    No gradient flows through it, and none is missing: at the optimum a small turn changes nothing, so the gradient of
    :math:`\min_Q \|X Q - Y\|^2` is that at a fixed Q. Through the decomposition it would be infinite where singular values
    coincide.

    Args:
        source: Points X of padded sets, shape (b, m, k), k at most d.
        target: Targets Y, shape (b, m, d).
        mask: Places that hold a point, shape (b, m); all if omitted.

    Returns:
        Shape (b, k, d), computed in float64, in the dtype of ``target``.

    Source: Schönemann, A generalized solution of the orthogonal Procrustes problem (1966).
    """
    x, y = (centred_sets(values.double(), mask) for values in (source, target))
    u, _, wt = torch.linalg.svd(x.transpose(1, 2) @ y, full_matrices=False)
    return (u @ wt).to(target.dtype)


def centred_sets(values: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None) -> Float[Tensor, "b m d"]:
    """Values of padded sets without their set's mean; zeros in places without a node."""
    if mask is None:
        return values - values.mean(dim=1, keepdim=True)
    inside = mask[..., None].to(values.dtype)
    values = values.masked_fill(~mask[..., None], 0.0)
    return (values - values.sum(dim=1, keepdim=True) / inside.sum(dim=1, keepdim=True)) * inside


def radius(values: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"] | None) -> Float[Tensor, " b"]:
    """Root mean square radius of padded sets that are centred, with zeros in places without a node; at least 1e-6."""
    count = values.size(1) if mask is None else mask.sum(dim=1)
    return (values.square().sum(dim=(1, 2)) / count).clamp(min=1e-12).sqrt()

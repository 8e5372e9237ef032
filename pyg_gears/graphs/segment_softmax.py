"""Softmax over the edges that enter a node, finite for any logits, with a lean gradient."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.geometry.known_values import is_transformed


def segment_softmax(logits: Float[Tensor, "e ..."], index: Int[Tensor, " e"], size: int) -> Float[Tensor, "e ..."]:
    r"""Softmax of every column within the groups that ``index`` names.

    .. math:: \alpha_e = e^{z_e} / \sum_{f : \mathrm{index}_f = \mathrm{index}_e} e^{z_f}

    Equal to ``torch_geometric.utils.softmax`` without its 1e-16 in the denominator. Only the result is kept for the
    gradient, which is ``alpha (g - sum(alpha g))`` and can be differentiated again.

    Args:
        logits: Values below infinity, shape (e,) or (e, h); a row at -inf takes no part.
        index: Group of each row, shape (e,), 0..size-1.
        size: Number of groups; groups without a row are allowed.

    Returns:
        Weights, of the shape of ``logits``; those of a group sum to one, or are all zero where every row is at -inf.
    """
    if is_transformed():
        return _weights(logits, index, size)
    return _SegmentSoftmax.apply(logits, index, size)


def segment_log_softmax(values: Float[Tensor, "e ..."], index: Int[Tensor, " e"], size: int) -> Float[Tensor, "e ..."]:
    r"""Logarithm of :func:`segment_softmax`, in log space throughout and twice differentiable.

    .. math:: y_e = v_e - \log \sum_{f : \mathrm{index}_f = \mathrm{index}_e} e^{v_f}

    Args:
        values: Finite logits, shape (e,) or (e, h).
        index: Group of each row, shape (e,), 0..size-1.
        size: Number of groups; groups without a row are allowed.

    Returns:
        Log-probabilities, of the shape of ``values``.
    """
    shifted = _shifted(values, index, size)
    # At least one wherever there is a row; elsewhere the logarithm of nothing would have a gradient of NaN.
    total = segment_sum(shifted.exp(), index, size).clamp(min=1.0)
    return shifted - total.log().index_select(0, index)


def segment_sum(values: Float[Tensor, "e ..."], index: Int[Tensor, " e"], size: int) -> Float[Tensor, "size ..."]:
    """Sum of the rows of every group, shape (size,) or (size, h); 0 for a group without a row."""
    return values.new_zeros(size, *values.shape[1:]).scatter_add(0, _rows(index, values), values)


def _rows(index: Tensor, values: Tensor) -> Tensor:
    return index.view(-1, *[1] * (values.dim() - 1)).expand_as(values)


def _shifted(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Values less the largest of their group."""
    # The maximum only shifts the exponent: its gradient cancels exactly, so none is taken.
    fixed = values.detach()
    top = fixed.new_full((size, *values.shape[1:]), -torch.inf).scatter_reduce(0, _rows(index, fixed), fixed, "amax")
    return values - top.clamp(min=torch.finfo(values.dtype).min).index_select(0, index)


def _weights(logits: Tensor, index: Tensor, size: int) -> Tensor:
    alpha = _shifted(logits, index, size).exp()
    # At least one wherever a row takes part: its largest is exp(0).
    return alpha / segment_sum(alpha, index, size).clamp(min=torch.finfo(alpha.dtype).tiny).index_select(0, index)


class _SegmentSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, size: int) -> Tensor:
        alpha = _weights(logits, index, size)
        ctx.save_for_backward(alpha, index)
        ctx.size = size
        return alpha

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        alpha, index = ctx.saved_tensors
        weighted = alpha * grad_outputs[0]
        return weighted - alpha * segment_sum(weighted, index, ctx.size).index_select(0, index), None, None

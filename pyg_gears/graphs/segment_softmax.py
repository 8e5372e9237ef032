"""Softmax over the edges that share a node, and its logarithm; finite everywhere."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable


def segment_softmax(logits: Float[Tensor, "e h"], index: Int[Tensor, " e"], size: int) -> Float[Tensor, "e h"]:
    r"""Softmax of every column within the groups given by ``index``.

    .. math:: \alpha_e = e^{z_e} / \sum_{f : \mathrm{index}_f = \mathrm{index}_e} e^{z_f}

    Equal to ``torch_geometric.utils.softmax`` without its 1e-16 in the denominator. Only the result is kept for the
    gradient, which is ``alpha (g - sum(alpha g))``. It can be differentiated once.

    Args:
        logits: Finite values, shape (e, h).
        index: Group of each row, shape (e,), 0..size-1.
        size: Number of groups; groups without a row are allowed.

    Returns:
        Weights, shape (e, h); those of a group sum to one.
    """
    if torch.compiler.is_compiling():
        return _weights(logits, index, size)  # the compiler derives a lean gradient by itself
    return _SegmentSoftmax.apply(logits, index, size)


def segment_log_softmax(
    values: Float[Tensor, " e"] | Float[Tensor, "e h"], index: Int[Tensor, " e"], size: int
) -> Float[Tensor, " e"] | Float[Tensor, "e h"]:
    r"""Log-softmax of ``values`` (of every column, where there are several) within the groups given by ``index``.

    .. math:: y_e = v_e - \log \sum_{f : \mathrm{index}_f = \mathrm{index}_e} e^{v_f}

    Args:
        values: Finite logits, shape (e,) or (e, h).
        index: Group of each row, shape (e,), 0..size-1.
        size: Number of groups; groups without a row are allowed.

    Returns:
        Log-probabilities, of the shape of ``values``. They can be differentiated any number of times.
    """
    shifted = values - _maximum(values, index, size)[index]
    total = values.new_zeros(size, *values.shape[1:]).index_add(0, index, shifted.exp())
    return shifted - total.log()[index]


def segment_sum(values: Float[Tensor, "e h"], index: Int[Tensor, " e"], size: int) -> Float[Tensor, "size h"]:
    """Sum of the rows of every group, shape (size, h)."""
    return values.new_zeros(size, values.size(1)).scatter_add(0, index[:, None].expand_as(values), values)


def _maximum(values: Tensor, index: Tensor, size: int) -> Tensor:
    """The largest value of each group and column; it only shifts the exponent, so its gradient cancels exactly."""
    fixed = values.detach()
    groups = index.view(-1, *[1] * (values.dim() - 1)).expand_as(fixed)
    return fixed.new_full((size, *values.shape[1:]), -torch.inf).scatter_reduce(0, groups, fixed, "amax")


def _weights(logits: Tensor, index: Tensor, size: int) -> Tensor:
    alpha = (logits - _maximum(logits, index, size)[index]).exp()
    return alpha / segment_sum(alpha, index, size)[index]


class _SegmentSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, size: int) -> Tensor:
        alpha = _weights(logits, index, size)
        ctx.save_for_backward(alpha, index)
        ctx.size = size
        return alpha

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        alpha, index = ctx.saved_tensors
        weighted = alpha * grad_outputs[0]
        return weighted - alpha * segment_sum(weighted, index, ctx.size)[index], None, None

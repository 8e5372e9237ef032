"""Softmax over the edges that enter a node, with a lean gradient."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable


def segment_softmax(logits: Float[Tensor, "e h"], index: Int[Tensor, " e"], size: int) -> Float[Tensor, "e h"]:
    r"""Softmax of every column within the groups that ``index`` names.

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
        return _weights(logits, index, size)  # the compiler writes a lean gradient by itself
    return _SegmentSoftmax.apply(logits, index, size)


def _weights(logits: Tensor, index: Tensor, size: int) -> Tensor:
    groups, fixed = index[:, None].expand_as(logits), logits.detach()
    # The maximum only shifts the exponent: its gradient cancels exactly.
    top = fixed.new_full((size, logits.size(1)), -torch.inf).scatter_reduce(0, groups, fixed, "amax")
    alpha = (logits - top[index]).exp()
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


def segment_sum(values: Float[Tensor, "e h"], index: Int[Tensor, " e"], size: int) -> Float[Tensor, "size h"]:
    """Sum of the rows of every group, shape (size, h)."""
    return values.new_zeros(size, values.size(1)).scatter_add(0, index[:, None].expand_as(values), values)

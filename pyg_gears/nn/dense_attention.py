"""Attention of padded graphs by matrix products, keeping one tensor for the gradient."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def dense_attention(
    query: Float[Tensor, "b h m d"],
    key: Float[Tensor, "b h m d"],
    value: Float[Tensor, "b h m v"],
    bias: Float[Tensor, "b a m m"],
    geo: Float[Tensor, "b h m m"] | None = None,
) -> Float[Tensor, "b h m v"]:
    r"""Attention with additive biases.

    .. math:: O = \mathrm{softmax}(Q K^\top + \mathrm{bias} + \mathrm{geo}) V

    The weights are the only (b, h, m, m) tensor that lives until the gradient. It can be differentiated once.

    Args:
        query: Queries, already scaled, shape (b, h, m, d).
        key: Keys, shape (b, h, m, d).
        value: Values, shape (b, h, m, v).
        bias: Bias shared by the heads (b, 1, m, m) or per head (b, h, m, m); -1e30 masks a pair.
        geo: Second bias, per head.

    Returns:
        Shape (b, h, m, v). A row whose pairs are all masked is finite and meaningless.
    """
    return _DenseAttention.apply(query, key, value, bias, geo)


class _DenseAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, geo: Tensor | None) -> Tensor:
        alpha = torch.matmul(query, key.transpose(-1, -2))
        alpha += bias
        if geo is not None:
            alpha += geo
        torch.softmax(alpha, dim=-1, out=alpha)
        output = torch.matmul(alpha, value)
        ctx.save_for_backward(query, key, value, alpha, output)
        ctx.shared_bias = bias.size(1) == 1
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, alpha, output = ctx.saved_tensors
        grad = grad_outputs[0]
        grad_value = torch.matmul(alpha.transpose(-1, -2), grad)
        # d loss / d logit = alpha (dA - <dA, alpha>), and <dA, alpha> = <grad, output> row by row.
        grad_logit = torch.matmul(grad, value.transpose(-1, -2))
        grad_logit -= (grad * output).sum(dim=-1, keepdim=True)
        grad_logit *= alpha
        grad_query = torch.matmul(grad_logit, key)
        grad_key = torch.matmul(grad_logit.transpose(-1, -2), query)
        grad_bias = None
        if ctx.needs_input_grad[3]:
            grad_bias = grad_logit.sum(dim=1, keepdim=True) if ctx.shared_bias else grad_logit
        return grad_query, grad_key, grad_value, grad_bias, grad_logit if ctx.needs_input_grad[4] else None

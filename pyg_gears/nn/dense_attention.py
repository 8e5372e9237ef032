"""Attention of padded graphs by matrix products, keeping one tensor for the gradient."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.graphs.without_autocast import without_autocast
from pyg_gears.nn.attention_bias import AttentionBias
from pyg_gears.nn.padded_graphs import PaddedGraphs


def dense_attention(
    query: Float[Tensor, "b h m d"],
    key: Float[Tensor, "b h m d"],
    value: Float[Tensor, "b h m v"],
    bias: Float[Tensor, "b a m m"],
    geo: Float[Tensor, "b h m m"] | None = None,
    clip: float | None = None,
) -> Float[Tensor, "b h m v"]:
    r"""Attention with additive biases.

    .. math:: O = \mathrm{softmax}(\mathrm{clip}(Q K^\top) + \mathrm{bias} + \mathrm{geo}) V

    The weights are the only (b, h, m, m) tensor of floats that lives until the gradient.

    Args:
        query: Queries, already scaled, shape (b, h, m, d).
        key: Keys, shape (b, h, m, d).
        value: Values, shape (b, h, m, v).
        bias: Bias shared by the heads (b, 1, m, m) or per head (b, h, m, m); a pair that takes no part has
            :func:`pyg_gears.nn.padded_graphs.mask_value`.
        geo: Second bias, per head.
        clip: Largest absolute value of the product of a query and a key; unbounded if omitted.

    Returns:
        Shape (b, h, m, v). A row whose pairs are all masked is finite and meaningless.
    """
    # The gradient is written out for one type of number: autocast would mix two.
    with torch.autocast(query.device.type, enabled=False):
        return _DenseAttention.apply(query, key, value, bias, geo, clip)[0]


def attend_densely(
    query: Float[Tensor, "n h d"],
    key: Float[Tensor, "n h d"],
    value: Float[Tensor, "n h v"],
    bias: AttentionBias,
    padded: PaddedGraphs,
    geo: Float[Tensor, "b h m m"] | None = None,
    clip: float | None = None,
) -> tuple[Float[Tensor, "n h v"], Tensor]:
    """:func:`dense_attention` on the nodes of a batch, with the sum of each node's weights.

    Args:
        query: Queries of the nodes, already scaled, shape (n, h, d).
        key: Keys, shape (n, h, d).
        value: Values, shape (n, h, v).
        bias: Gate and pair bias of the edges.
        padded: Where nodes and edges lie.
        geo: Second bias, padded.
        clip: As in :func:`dense_attention`.

    Returns:
        Weighted means of the values, shape (n, h, v), zero at a node that no edge reaches; and the sum of each node's weights, 1
        or 0, in a shape that broadcasts with them.
    """
    query, key, value = (padded.pad(part).transpose(1, 2) for part in (query, key, value))
    found = padded.gather(
        dense_attention(query, key, value, bias.dense(padded, value.dtype), geo, clip).transpose(1, 2)
    )
    # Where every edge takes part the weights of a node sum to one, or to zero without an edge.
    reached = bias.reached()
    if reached is not None:
        mass = reached[..., None].to(value.dtype)
        return found * mass, mass
    if padded.filled is not None:
        return found, padded.filled[:, None, None].to(value.dtype)
    return found, value.new_ones(())


class _DenseAttention(torch.autograd.Function):
    """Gives the weights as well: as a result they carry a gradient of their own, which the second derivative needs."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, geo: Tensor | None, clip: float | None
    ) -> tuple[Tensor, Tensor]:
        logits = torch.matmul(query, key.transpose(-1, -2))
        clipped = None
        if clip is not None:
            clipped = logits.abs() > clip
            logits.clamp_(-clip, clip)
        logits += bias
        if geo is not None:
            logits += geo
        alpha = torch.softmax(logits, dim=-1)
        output = torch.matmul(alpha, value)
        ctx.save_for_backward(query, key, value, alpha, output, clipped)
        ctx.shared_bias = bias.size(1) == 1
        ctx.set_materialize_grads(False)
        return output, alpha

    @staticmethod
    @without_autocast
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        query, key, value, alpha, output, clipped = ctx.saved_tensors
        grad, grad_alpha = grad_outputs
        grad = torch.zeros_like(output) if grad is None else grad
        grad_value = torch.matmul(alpha.transpose(-1, -2), grad)
        # d loss / d logit = alpha (dA - <dA, alpha>), and <dA, alpha> = <grad, output> row by row.
        grad_logit = torch.matmul(grad, value.transpose(-1, -2))
        grad_logit -= (grad * output).sum(dim=-1, keepdim=True)
        if grad_alpha is not None:
            grad_logit = grad_logit + grad_alpha - (grad_alpha * alpha).sum(dim=-1, keepdim=True)
        grad_logit *= alpha
        through = grad_logit if clipped is None else grad_logit.masked_fill(clipped, 0.0)
        grad_query = torch.matmul(through, key)
        grad_key = torch.matmul(through.transpose(-1, -2), query)
        grad_bias = None
        if ctx.needs_input_grad[3]:
            grad_bias = grad_logit.sum(dim=1, keepdim=True) if ctx.shared_bias else grad_logit
        return grad_query, grad_key, grad_value, grad_bias, grad_logit if ctx.needs_input_grad[4] else None, None

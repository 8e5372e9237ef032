"""Attention over an edge list by sparse matrix products, keeping the weights for the gradient and nothing wider."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.graphs.second_order import second_order_backward
from pyg_gears.graphs.segment_softmax import segment_softmax
from pyg_gears.graphs.without_autocast import without_autocast
from pyg_gears.nn.edge_rows import EdgeRows, edge_rows


def sparse_attention_applies(pos: Float[Tensor, "n 2"], edge_index: Int[Tensor, "2 e"]) -> bool:
    """Whether torch has the sparse products for values like these: on a CPU, through MKL, in float32 and float64."""
    kind = pos.device.type == "cpu" and pos.dtype in (torch.float32, torch.float64)
    # torch refuses a sparse matrix with more values than pairs, as repeated edges can make it.
    return kind and 0 < edge_index.size(1) <= pos.size(0) ** 2 and torch.backends.mkl.is_available()


def sparse_attention(
    query: Float[Tensor, "n h d"],
    key: Float[Tensor, "n h d"],
    value: Float[Tensor, "n h v"],
    bias: Float[Tensor, "e a"] | None,
    edge_index: Int[Tensor, "2 e"],
    rows: EdgeRows,
    clip: float | None = None,
) -> Float[Tensor, "n h v"]:
    r"""Attention over the edges that enter a node.

    .. math:: o_{ih} = \sum_j \alpha_{ijh} v_{jh}, \quad
        \alpha_{ijh} = \mathrm{softmax}_{j \to i}(\mathrm{clip}(q_{ih} \cdot k_{jh}) + b_{ijh})

    Equal to message passing up to rounding, at a fraction of its time, and with memory of O(e h) beside the nodes' own.

    Args:
        query: Queries, already scaled, shape (n, h, d).
        key: Keys, shape (n, h, d).
        value: Values, shape (n, h, v).
        bias: Bias of each edge, shared by the heads (e, 1) or per head (e, h); -inf leaves an edge out. Zero if omitted.
        edge_index: Edges, [0] = source j, [1] = target i, shape (2, e), e in 1..n^2; in any order, repeats allowed.
        rows: The edges sorted by target.
        clip: Largest absolute value of the product of a query and a key; unbounded if omitted.

    Returns:
        Shape (n, h, v); zero for a node that no edge enters.
    """
    # The gradient is written out for one type of number: autocast would mix two.
    with torch.autocast(query.device.type, enabled=False):
        return _SparseAttention.apply(query, key, value, bias, edge_index, rows, clip)


class _SparseAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        edge_index: Tensor,
        rows: EdgeRows,
        clip: float | None,
    ) -> Tensor:
        logits, clipped = rows.products(query, key), None
        if clip is not None:
            clipped = logits.abs() > clip
            logits.clamp_(-clip, clip)
        if bias is not None:
            logits += bias
        alpha = segment_softmax(logits, edge_index[1], query.size(0))
        output = rows.sums(alpha, value)
        ctx.save_for_backward(query, key, value, bias, alpha, output, clipped, edge_index)
        ctx.rows, ctx.clip = rows, clip
        return output

    @staticmethod
    @without_autocast
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias, alpha, output, clipped, edge_index = ctx.saved_tensors
        grad, rows = grad_outputs[0], ctx.rows
        if torch.is_grad_enabled():
            by_edge = partial(_by_edge, edge_index=edge_index, clip=ctx.clip)
            return *second_order_backward(by_edge, (query, key, value, bias), grad_outputs), None, None, None
        back = edge_rows(edge_index[0], edge_index[1], query.size(0))
        grad_value = back.sums(alpha, grad)
        # d loss / d logit = alpha (dA - <dA, alpha>), and <dA, alpha> = <grad, output> node by node.
        grad_logit = rows.products(grad, value)
        grad_logit -= (grad * output).sum(dim=-1).index_select(0, edge_index[1])
        grad_logit *= alpha
        through = grad_logit if clipped is None else grad_logit.masked_fill(clipped, 0.0)
        grad_query, grad_key = rows.sums(through, key), back.sums(through, query)
        grad_bias = None
        if bias is not None:
            grad_bias = grad_logit.sum(dim=1, keepdim=True) if bias.size(1) == 1 else grad_logit
        return grad_query, grad_key, grad_value, grad_bias, None, None, None


def _by_edge(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *, edge_index: Tensor, clip: float | None
) -> Tensor:
    """The same function as it is written."""
    source, target = edge_index[0], edge_index[1]
    logits = (query[target] * key[source]).sum(dim=-1)
    logits = logits if clip is None else logits.clamp(-clip, clip)
    alpha = segment_softmax(logits if bias is None else logits + bias, target, query.size(0))
    return torch.zeros_like(value).index_add(0, target, alpha[..., None] * value[source])

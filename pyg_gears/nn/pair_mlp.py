"""The gate's MLP over pairs of nodes, in chunks that stay in the cache, with its gradient written out."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import gelu, linear

from pyg_gears.graphs.second_order import second_order_backward
from pyg_gears.graphs.without_autocast import without_autocast
from pyg_gears.nn.chunked_mlp import chunked_mlp
from pyg_gears.nn.edge_pairs import EdgePairs

CHUNK = {"cpu": 2048}
"""Pairs at a time: on a CPU so few that their features stay in the second-level cache."""
CHUNK_ELSEWHERE = 131_072


def pair_mlp(
    x: Float[Tensor, "n c"],
    pairs: EdgePairs,
    num_edges: int,
    first: tuple[Tensor, Tensor],
    second: tuple[Tensor, Tensor],
    last: tuple[Tensor, Tensor | None],
) -> Float[Tensor, "e o"]:
    r"""A three-layer MLP of ``[x_i, x_j, |x_i - x_j|, x_i * x_j]`` on every edge j -> i that belongs to a pair.

    Where the embedding has fewer channels than half the width of the first layer, both directions of a pair are one product
    of its features. Otherwise the first layer is split: its part on x_i and x_j is done once per node, its part on the two
    symmetric features once per pair. Only the features, or that last sum, are kept for the gradient; the rest is computed
    again. Second derivatives run edge by edge. Under autocast it runs in the type of ``x``.

    Args:
        x: Node embedding, shape (n, c).
        pairs: Pairs of the graph.
        num_edges: Edges e of the graph.
        first: Weight (h, 4c) and bias (h,) of the first layer.
        second: Weight (k, h) and bias (k,) of the second layer.
        last: Weight (o, k) and, if it has one, bias (o,) of the last layer.

    Returns:
        Shape (e, o); zero on edges of no pair (self-loops).
    """
    # The gradient is written out for one type of number: autocast would mix two.
    with torch.autocast(x.device.type, enabled=False):
        if 2 * x.size(1) < first[0].size(0):
            return _by_pair(x, pairs, num_edges, first, second, last)
        return _PairMLP.apply(x, *first, *second, *last, pairs, num_edges)


def _by_pair(
    x: Tensor,
    pairs: EdgePairs,
    num_edges: int,
    first: tuple[Tensor, Tensor],
    second: tuple[Tensor, Tensor],
    last: tuple[Tensor, Tensor | None],
) -> Tensor:
    """The function from the features of whole pairs: few enough, they cost less than to gather what nodes have of them."""
    (w1, b1), c = first, x.size(1)
    a, b = (x.index_select(0, end) for end in pairs.nodes)
    features = torch.cat([a, b, (a - b).abs(), a * b, a.new_ones(a.size(0), 1)], dim=1)
    on_target, on_source, on_both = w1.split([c, c, 2 * c], dim=1)
    bias = b1[:, None]
    # The edge a -> b has its target in b.
    ways = [torch.cat([on_source, on_target, on_both, bias], 1), torch.cat([on_target, on_source, on_both, bias], 1)]
    logits = chunked_mlp(features, torch.cat(ways[: pairs.edges.size(0)]), second, last, _chunk(x))
    edges = pairs.edges.T.flatten()
    return logits.new_zeros(num_edges, logits.size(2)).index_copy(0, edges, logits.flatten(0, 1))


class _PairMLP(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        w1: Tensor,
        b1: Tensor,
        w2: Tensor,
        b2: Tensor,
        w3: Tensor,
        b3: Tensor | None,
        pairs: EdgePairs,
        num_edges: int,
    ) -> Tensor:
        c = x.size(1)
        as_target, as_source = torch.addmm(b1, x, w1[:, :c].T), x @ w1[:, c : 2 * c].T
        symmetric = x.new_empty(pairs.nodes.size(1), w1.size(0))
        output = x.new_zeros(num_edges, w3.size(0))
        for rows, nodes, edges in _chunks(pairs):
            torch.mm(_features(x, nodes)[0], w1[:, 2 * c :].T, out=symmetric[rows])
            z1 = _first_layer(symmetric[rows], as_target, as_source, nodes, edges.size(0))
            z2 = torch.addmm(b2, gelu(z1), w2.T)
            output[edges.flatten()] = linear(gelu(z2), w3, b3)
        ctx.save_for_backward(x, w1, b1, w2, b2, w3, b3, as_target, as_source, symmetric, *pairs)
        ctx.num_edges = num_edges
        return output

    @staticmethod
    @without_autocast
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, w1, b1, w2, b2, w3, b3, as_target, as_source, symmetric, *pairs = ctx.saved_tensors
        if torch.is_grad_enabled():
            by_edge = partial(_by_edge, pairs=EdgePairs(*pairs), num_edges=ctx.num_edges)
            return *second_order_backward(by_edge, (x, w1, b1, w2, b2, w3, b3), grad_outputs), None, None
        grad, c, h = grad_outputs[0], x.size(1), w1.size(0)
        grad_x = torch.zeros_like(x) if ctx.needs_input_grad[0] else None
        grad_w1, grad_w2, grad_w3 = torch.empty_like(w1), torch.zeros_like(w2), torch.zeros_like(w3)
        grad_b2, grad_b3 = torch.zeros_like(b2), grad.new_zeros(grad.size(1))
        grad_target, grad_source = torch.zeros_like(as_target), torch.zeros_like(as_source)
        grad_features = w1.new_zeros(h, 2 * c)
        for rows, nodes, edges in _chunks(EdgePairs(*pairs)):
            legs = edges.size(0)
            z1 = _first_layer(symmetric[rows], as_target, as_source, nodes, legs)
            a1 = gelu(z1)
            z2 = torch.addmm(b2, a1, w2.T)
            g3 = grad[edges.flatten()]
            grad_w3.addmm_(g3.T, gelu(z2))
            grad_b3 += g3.sum(dim=0)
            g2 = torch.ops.aten.gelu_backward(g3 @ w3, z2)
            grad_w2.addmm_(g2.T, a1)
            grad_b2 += g2.sum(dim=0)
            g1 = torch.ops.aten.gelu_backward(g2 @ w2, z1).view(legs, -1, h)
            for leg in range(legs):
                grad_source.index_add_(0, nodes[leg], g1[leg])
                grad_target.index_add_(0, nodes[1 - leg], g1[leg])
            g = g1.sum(dim=0) if legs > 1 else g1[0]
            features, a, b = _features(x, nodes)
            grad_features.addmm_(g.T, features)
            if grad_x is not None:
                by_difference, by_product = (g @ w1[:, 2 * c :]).split(c, dim=1)
                by_difference = by_difference * (a - b).sign()
                grad_x.index_add_(0, nodes[0], by_difference + by_product * b)
                grad_x.index_add_(0, nodes[1], by_product * a - by_difference)
        torch.cat([grad_target.T @ x, grad_source.T @ x, grad_features], dim=1, out=grad_w1)
        if grad_x is not None:
            grad_x += grad_target @ w1[:, :c] + grad_source @ w1[:, c : 2 * c]
        last = None if b3 is None else grad_b3
        return grad_x, grad_w1, grad_target.sum(dim=0), grad_w2, grad_b2, grad_w3, last, None, None


def _by_edge(
    x: Tensor,
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
    w3: Tensor,
    b3: Tensor | None,
    *,
    pairs: EdgePairs,
    num_edges: int,
) -> Tensor:
    """The same function as it is written."""
    legs = pairs.edges.size(0)
    x_j, x_i = (x[torch.cat([pairs.nodes[(leg + end) % 2] for leg in range(legs)])] for end in (0, 1))
    z = linear(torch.cat([x_i, x_j, (x_i - x_j).abs(), x_i * x_j], dim=-1), w1, b1)
    z = linear(gelu(linear(gelu(z), w2, b2)), w3, b3)
    return z.new_zeros(num_edges, z.size(1)).index_copy(0, pairs.edges.flatten(), z)


def _chunk(values: Tensor) -> int:
    return CHUNK.get(values.device.type, CHUNK_ELSEWHERE)


def _chunks(pairs: EdgePairs) -> Any:
    """Slices of the pairs, with their nodes and edges."""
    size = _chunk(pairs.nodes)
    for start in range(0, pairs.nodes.size(1), size):
        rows = slice(start, start + size)
        yield rows, pairs.nodes[:, rows], pairs.edges[:, rows]


def _features(x: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``[|a - b|, a * b]`` of every pair, shape (p, 2c), with a and b."""
    a, b = x.index_select(0, nodes[0]), x.index_select(0, nodes[1])
    c = x.size(1)
    features = x.new_empty(a.size(0), 2 * c)
    torch.sub(a, b, out=features[:, :c]).abs_()
    torch.mul(a, b, out=features[:, c:])
    return features, a, b


def _first_layer(symmetric: Tensor, as_target: Tensor, as_source: Tensor, nodes: Tensor, legs: int) -> Tensor:
    """Before the activation, shape (legs * p, h): nodes[0] -> nodes[1] first, then the way back."""
    z = symmetric.repeat(legs, 1).view(legs, -1, symmetric.size(1))
    for leg in range(legs):
        z[leg] += as_source.index_select(0, nodes[leg])
        z[leg] += as_target.index_select(0, nodes[1 - leg])
    return z.flatten(0, 1)

"""First features of every edge from the embeddings of its ends, with the gradient written out."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.geometry.known_values import is_transformed
from pyg_gears.graphs.second_order import second_order_backward
from pyg_gears.graphs.without_autocast import without_autocast
from pyg_gears.nn.edge_pairs import EdgePairs
from pyg_gears.nn.pair_mlp import CHUNK, CHUNK_ELSEWHERE
from pyg_gears.nn.row_norm import row_norm, row_norm_backward


def edge_embedding(
    x: Float[Tensor, "n c"],
    as_target: Float[Tensor, "n d"],
    as_source: Float[Tensor, "n d"],
    weight: Float[Tensor, "d f"],
    project: Float[Tensor, "h d"],
    pairs: EdgePairs,
) -> tuple[Float[Tensor, "e d"], Float[Tensor, "e h"]]:
    r"""Embed the edges of every pair.

    .. math::
        e_{ij} = \mathrm{norm}(t_i + s_j + W [|x_i - x_j|, x_i \odot x_j, \cos(x_i, x_j)]), \quad b_{ij} = U e_{ij}

    The part in brackets is symmetric: it is evaluated once per pair. Only the results are kept for the gradient. The
    norm is :func:`row_norm`, so t, s and W are to be centred. Second derivatives run on all pairs at once.

    Args:
        x: Node embedding, shape (n, c). The cosine with a zero vector is zero.
        as_target: What a node adds to the edges that enter it, t, shape (n, d).
        as_source: What a node adds to the edges that leave it, s, shape (n, d).
        weight: W, shape (d, 2c + 1).
        project: U, shape (h, d).
        pairs: Pairs of the graph.

    Returns:
        Features (e, d) and their projection (e, h), in the order of ``pairs.edges.flatten()``: row 0, then row 1.
    """
    norm = torch.linalg.vector_norm(x, dim=1)
    inverse = torch.where(norm > 1e-8, norm.clamp(min=1e-8).reciprocal(), 0.0)
    if is_transformed():
        return _at_once(x, inverse, as_target, as_source, weight, project, pairs=pairs)
    return _EdgeEmbedding.apply(x, inverse, as_target, as_source, weight, project, pairs)


def _at_once(
    x: Tensor,
    inverse: Tensor,
    as_target: Tensor,
    as_source: Tensor,
    weight: Tensor,
    project: Tensor,
    *,
    pairs: EdgePairs,
) -> tuple[Tensor, Tensor]:
    """The same function as it is written."""
    features, _, _ = _features(x, inverse, pairs.nodes)
    symmetric = features @ weight.T
    legs = [as_source[pairs.nodes[k]] + as_target[pairs.nodes[1 - k]] for k in range(pairs.edges.size(0))]
    embedded, _ = row_norm(torch.cat([symmetric + leg for leg in legs]))
    return embedded, embedded @ project.T


class _EdgeEmbedding(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        inverse: Tensor,
        as_target: Tensor,
        as_source: Tensor,
        weight: Tensor,
        project: Tensor,
        pairs: EdgePairs,
    ) -> tuple[Tensor, Tensor]:
        legs, size = pairs.edges.shape
        embedded, scale = x.new_empty(legs, size, weight.size(0)), x.new_empty(legs, size, 1)
        projected = x.new_empty(legs, size, project.size(0))
        for rows, nodes in _chunks(pairs):
            symmetric = _features(x, inverse, nodes)[0] @ weight.T
            for leg in range(legs):
                z = as_source.index_select(0, nodes[leg]).add_(symmetric)
                z += as_target.index_select(0, nodes[1 - leg])
                _, scale[leg, rows] = row_norm(z, out=embedded[leg, rows])
                torch.mm(embedded[leg, rows], project.T, out=projected[leg, rows])
        ctx.save_for_backward(x, inverse, as_target, as_source, weight, project, embedded, scale, *pairs)
        return embedded.flatten(0, 1), projected.flatten(0, 1)

    @staticmethod
    @without_autocast
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        x, inverse, as_target, as_source, weight, project, embedded, scale, *pairs = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = (x, inverse, as_target, as_source, weight, project)
            return *second_order_backward(partial(_at_once, pairs=EdgePairs(*pairs)), inputs, grad_outputs), None
        grad, grad_projected = (g.unflatten(0, embedded.shape[:2]) for g in grad_outputs)
        grad_weight, grad_project = torch.zeros_like(weight), torch.zeros_like(project)
        grad_target, grad_source = torch.zeros_like(as_target), torch.zeros_like(as_target)
        grad_x, grad_inverse = torch.zeros_like(x), torch.zeros_like(inverse)
        c = x.size(1)
        for rows, nodes in _chunks(EdgePairs(*pairs)):
            g = x.new_zeros(nodes.size(1), weight.size(0))
            for leg in range(embedded.size(0)):
                one_way = torch.addmm(grad[leg, rows], grad_projected[leg, rows], project)
                grad_project.addmm_(grad_projected[leg, rows].T, embedded[leg, rows])
                one_way = row_norm_backward(one_way, embedded[leg, rows], scale[leg, rows])
                grad_source.index_add_(0, nodes[leg], one_way)
                grad_target.index_add_(0, nodes[1 - leg], one_way)
                g += one_way
            features, a, b = _features(x, inverse, nodes)
            grad_weight.addmm_(g.T, features)
            if not ctx.needs_input_grad[0]:
                continue
            by_difference, by_product, by_cosine = (g @ weight).split([c, c, 1], dim=1)
            inverse_a, inverse_b = inverse[nodes, None]
            dot = (a * b).sum(dim=1, keepdim=True) * by_cosine
            grad_inverse.index_add_(0, nodes[0], (dot * inverse_b)[:, 0])
            grad_inverse.index_add_(0, nodes[1], (dot * inverse_a)[:, 0])
            by_difference = by_difference * (a - b).sign()
            by_product = by_product + by_cosine * inverse_a * inverse_b
            grad_x.index_add_(0, nodes[0], by_difference + by_product * b)
            grad_x.index_add_(0, nodes[1], by_product * a - by_difference)
        return grad_x, grad_inverse, grad_target, grad_source, grad_weight, grad_project, None


def _chunks(pairs: EdgePairs) -> Any:
    """Slices of the pairs, with their nodes."""
    size = CHUNK.get(pairs.nodes.device.type, CHUNK_ELSEWHERE)
    for start in range(0, pairs.nodes.size(1), size):
        rows = slice(start, start + size)
        yield rows, pairs.nodes[:, rows]


def _features(x: Tensor, inverse: Tensor, nodes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``[|a - b|, a * b, cos(a, b)]`` of every pair, shape (p, 2c + 1), with a and b."""
    a, b = x.index_select(0, nodes[0]), x.index_select(0, nodes[1])
    product = a * b
    cosine = product.sum(dim=1) * inverse.index_select(0, nodes[0]) * inverse.index_select(0, nodes[1])
    return torch.cat([(a - b).abs_(), product, cosine[:, None]], dim=1), a, b

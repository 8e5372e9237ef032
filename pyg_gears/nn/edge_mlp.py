"""An MLP of the features of an edge and the states of its ends, in chunks that stay in the cache."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import gelu, linear

from pyg_gears.geometry.known_values import is_transformed
from pyg_gears.graphs.second_order import second_order_backward
from pyg_gears.graphs.without_autocast import without_autocast
from pyg_gears.nn.pair_mlp import CHUNK, CHUNK_ELSEWHERE
from pyg_gears.nn.row_norm import row_norm, row_norm_backward


def edge_mlp(
    edge: Float[Tensor, "e d"],
    as_target: Float[Tensor, "n k"],
    as_source: Float[Tensor, "n k"],
    edge_index: Int[Tensor, "2 e"],
    first: Float[Tensor, "k d"],
    last: tuple[Float[Tensor, "o k"], Float[Tensor, " o"]],
) -> Float[Tensor, "e o"]:
    r"""A two-layer MLP on every edge j -> i.

    .. math:: y_{ij} = W_2 \, \mathrm{gelu}(W_1 e_{ij} + t_i + s_j) + b_2

    The first layer's part on the nodes comes in as t and s, done once per node by the caller. Nothing is kept for the
    gradient but the arguments; the rest is computed again. Second derivatives run on all edges at once.

    Args:
        edge: Features e of the edges, shape (e, d).
        as_target: What a node adds to the edges that enter it, t, shape (n, k).
        as_source: What a node adds to the edges that leave it, s, shape (n, k).
        edge_index: Edges [source, target], shape (2, e).
        first: Weight W_1 (k, d).
        last: Weight W_2 (o, k) and bias b_2 (o,).

    Returns:
        Shape (e, o).
    """
    if is_transformed():
        return _at_once(edge, as_target, as_source, edge_index, first, *last, None)[0]
    return _EdgeMLP.apply(edge, as_target, as_source, edge_index, first, *last, None)[0]


def edge_update(
    edge: Float[Tensor, "e d"],
    as_target: Float[Tensor, "n k"],
    as_source: Float[Tensor, "n k"],
    edge_index: Int[Tensor, "2 e"],
    first: Float[Tensor, "k d"],
    last: tuple[Float[Tensor, "d k"], Float[Tensor, " d"]],
    project: Float[Tensor, "h d"],
) -> tuple[Float[Tensor, "e d"], Float[Tensor, "e h"]]:
    r"""Add the MLP of :func:`edge_mlp` to the features, and normalise.

    .. math:: e'_{ij} = \mathrm{norm}(e_{ij} + y_{ij}), \quad b_{ij} = U e'_{ij}

    The norm is :func:`row_norm`, so ``edge`` and ``last`` are to be centred.

    Args:
        edge: As in :func:`edge_mlp`.
        as_target: As in :func:`edge_mlp`.
        as_source: As in :func:`edge_mlp`.
        edge_index: As in :func:`edge_mlp`.
        first: As in :func:`edge_mlp`.
        last: As in :func:`edge_mlp`, with d outputs.
        project: U, shape (h, d); h may be 0.

    Returns:
        New features (e, d) and their projection (e, h).
    """
    if is_transformed():
        return _at_once(edge, as_target, as_source, edge_index, first, *last, project)
    return _EdgeMLP.apply(edge, as_target, as_source, edge_index, first, *last, project)


def _at_once(
    edge: Tensor,
    as_target: Tensor,
    as_source: Tensor,
    edge_index: Tensor,
    w1: Tensor,
    w2: Tensor,
    b2: Tensor,
    project: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The same functions as they are written."""
    hidden = linear(edge, w1) + as_target[edge_index[1]] + as_source[edge_index[0]]
    output = linear(gelu(hidden), w2, b2)
    if project is None:
        return output, edge.new_empty(edge.size(0), 0)
    updated, _ = row_norm(edge + output)
    return updated, updated @ project.T


class _EdgeMLP(torch.autograd.Function):
    """Both functions: the MLP alone without ``project``, the update with it."""

    @staticmethod
    def forward(
        ctx: Any,
        edge: Tensor,
        as_target: Tensor,
        as_source: Tensor,
        edge_index: Tensor,
        w1: Tensor,
        w2: Tensor,
        b2: Tensor,
        project: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        e = edge.size(0)
        output, scale = edge.new_empty(e, w2.size(0)), edge.new_empty(e, 1)
        projected = edge.new_empty(e, 0 if project is None else project.size(0))
        for rows in _chunks(edge):
            z = _hidden(edge[rows], as_target, as_source, edge_index[:, rows], w1)
            if project is None:
                torch.addmm(b2, gelu(z), w2.T, out=output[rows])
            else:
                y = torch.mm(gelu(z), w2.T).add_(b2).add_(edge[rows])
                _, scale[rows] = row_norm(y, out=output[rows])
                torch.mm(output[rows], project.T, out=projected[rows])
        ctx.save_for_backward(edge, as_target, as_source, edge_index, w1, w2, b2, project, output, scale)
        return output, projected

    @staticmethod
    @without_autocast
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        edge, as_target, as_source, edge_index, w1, w2, b2, project, output, scale = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = (edge, as_target, as_source, edge_index, w1, w2, b2, project)
            outputs = len(grad_outputs) if project is not None else 1
            return tuple(second_order_backward(lambda *a: _at_once(*a)[:outputs], inputs, grad_outputs[:outputs]))
        grad_edge = torch.empty_like(edge)
        grad_target, grad_source = torch.zeros_like(as_target), torch.zeros_like(as_source)
        grad_w1, grad_w2, grad_b2 = torch.zeros_like(w1), torch.zeros_like(w2), w2.new_zeros(w2.size(0))
        grad_project = edge.new_zeros(0) if project is None else torch.zeros_like(project)
        for rows in _chunks(edge):
            g = grad_outputs[0][rows]
            if project is not None:
                g_projected = grad_outputs[1][rows]
                grad_project.addmm_(g_projected.T, output[rows])
                g = row_norm_backward(torch.addmm(g, g_projected, project), output[rows], scale[rows])
            z = _hidden(edge[rows], as_target, as_source, edge_index[:, rows], w1)
            grad_w2.addmm_(g.T, gelu(z))
            grad_b2 += g.sum(dim=0)
            g_z = torch.ops.aten.gelu_backward(g @ w2, z)
            grad_w1.addmm_(g_z.T, edge[rows])
            torch.mm(g_z, w1, out=grad_edge[rows])
            if project is not None:
                grad_edge[rows] += g
            grad_source.index_add_(0, edge_index[0, rows], g_z)
            grad_target.index_add_(0, edge_index[1, rows], g_z)
        grad_last = None if project is None else grad_project
        return grad_edge, grad_target, grad_source, None, grad_w1, grad_w2, grad_b2, grad_last


def _chunks(edge: Tensor) -> Any:
    """Slices of the edges."""
    size = CHUNK.get(edge.device.type, CHUNK_ELSEWHERE)
    return (slice(start, start + size) for start in range(0, edge.size(0), size))


def _hidden(edge: Tensor, as_target: Tensor, as_source: Tensor, edge_index: Tensor, weight: Tensor) -> Tensor:
    """The first layer before its activation."""
    nodes = as_source.index_select(0, edge_index[0]).add_(as_target.index_select(0, edge_index[1]))
    return nodes.addmm_(edge, weight.T)

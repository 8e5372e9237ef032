"""KL divergence between true and predicted random walks, over several steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import described, expect
from pyg_gears.geometry.known_values import is_transformed
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.graphs.segment_softmax import segment_sum
from pyg_gears.losses.membership import Membership, gauged, membership, target_edges, target_values
from pyg_gears.targets import log_affinity, log_transitions

EPS = 1e-8


def random_walk_kl(
    pos: Float[Tensor, "n d"], batch: Data, sigma: Float[Tensor, " n"] | None = None
) -> Float[Tensor, ""]:
    r"""How far the predicted random walks are from the true ones.

    .. math:: L_{rw} = \sum_{s=1}^{S} 2^{-(s-1)} \frac1n \sum_i \mathrm{KL}\big(T^s_{ref}[i,:] \,\|\, T^s_{pred}[i,:]\big)

    T_pred is the reference's formula on the same fixed edges with the same frozen bandwidths; only distances change. The
    loss is zero at the true coordinates under any similarity transform, mirrors included.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch (or one graph) with ``rw_edge_index``, ``rw_multiplicity``, ``rw_log_ref``, ``sigma``, ``rw_steps``.
        sigma: Other bandwidths for the predicted operator, shape (n,), for instance
            :func:`~pyg_gears.losses.effective_bandwidth`.

    Returns:
        Mean over graphs, a scalar >= 0 in nats, in the dtype of ``pos`` (float32 for half precision).

    Memory and time: powers are dense, (b, m, m) with m the largest graph, 2 S b m^3 multiplications. Both sides of the
    logarithm are offset by 1e-8, which bounds the loss where a prediction gives a true step no probability.
    """
    return random_walk_kl_per_graph(pos, batch, sigma).mean()


def random_walk_kl_per_graph(
    pos: Float[Tensor, "n d"], batch: Data, sigma: Float[Tensor, " n"] | None = None
) -> Float[Tensor, " b"]:
    """:func:`random_walk_kl` of every graph, shape (b,)."""
    return _per_graph(pos, batch, sigma, _row_kl)


def random_walk_js(
    pos: Float[Tensor, "n d"], batch: Data, sigma: Float[Tensor, " n"] | None = None
) -> Float[Tensor, ""]:
    r"""Jensen-Shannon divergence of the random walks, over the same steps with the same weights as :func:`random_walk_kl`.

    .. math:: \mathrm{JS}(p, q) = \tfrac12 \mathrm{KL}(p \,\|\, m) + \tfrac12 \mathrm{KL}(q \,\|\, m), \quad m = (p + q) / 2

    Bounded by 2 log 2, however wrong a step is; far from the truth its gradient is small.

    Args:
        pos: As for :func:`random_walk_kl`.
        batch: As for :func:`random_walk_kl`.
        sigma: As for :func:`random_walk_kl`.

    Returns:
        Mean over graphs, a scalar >= 0 in nats.

    Source: Lin, Divergence measures based on the Shannon entropy, 1991.
    """

    def compare(t: Tensor, q: Tensor) -> Tensor:
        middle = ((t + q) / 2 + EPS).log()
        return ((t * ((t + EPS).log() - middle) + q * ((q + EPS).log() - middle)) / 2).sum(dim=(1, 2))

    return _per_graph(pos, batch, sigma, compare).mean()


def random_walk_log_mse(
    pos: Float[Tensor, "n d"], batch: Data, sigma: Float[Tensor, " n"] | None = None
) -> Float[Tensor, ""]:
    r"""Squared error of log probabilities, over the same steps with the same weights as :func:`random_walk_kl`.

    .. math:: \sum_s 2^{-(s-1)} \frac1n \sum_i \mathrm{mean}_{j : T^s_{ref}[i,j] > 0}
        \big(\log T^s_{ref}[i,j] - \log T^s_{pred}[i,j]\big)^2

    Rare steps count as much as frequent ones.

    Args:
        pos: As for :func:`random_walk_kl`.
        batch: As for :func:`random_walk_kl`.
        sigma: As for :func:`random_walk_kl`.

    Returns:
        Mean over graphs, a scalar >= 0.
    """

    def compare(t: Tensor, q: Tensor) -> Tensor:
        reached = t > 0
        square = ((t + EPS).log() - (q + EPS).log()).square().masked_fill(~reached, 0.0)
        return (square.sum(dim=2) / reached.sum(dim=2).clamp(min=1)).sum(dim=1)

    return _per_graph(pos, batch, sigma, compare).mean()


def _per_graph(
    pos: Tensor, batch: Data, sigma: Tensor | None, compare: Callable[[Tensor, Tensor], Tensor]
) -> Float[Tensor, " b"]:
    """Weighted sum over the steps of what ``compare`` makes of the true and the predicted powers (b, m, m)."""
    members, x = gauged(pos, batch)
    edge_index = target_edges(batch, "rw_edge_index", x.size(0))
    multiplicity = target_values(batch, "rw_multiplicity", edge_index.size(1)).to(x.dtype)
    sigma = target_values(batch, "sigma", x.size(0)) if sigma is None else sigma
    expect(
        isinstance(sigma, Tensor) and sigma.shape == x.shape[:1],
        f"expected a bandwidth for each of {x.size(0)} nodes, found {described(sigma)}; pass (n,).",
    )
    sigma = sigma.to(x.dtype)
    predicted = log_transitions(log_affinity(x, edge_index, sigma), multiplicity, edge_index, x.size(0)).exp()
    return _walk_distance(_dense(predicted, edge_index, members, int(members.size.max())), batch, members, compare)


def operator_kl(transition: Float[Tensor, " e"], edge_index: Int[Tensor, "2 e"], batch: Data) -> Float[Tensor, ""]:
    r"""How far the random walks of an operator are from the true ones: :func:`random_walk_kl` without coordinates.

    Args:
        transition: Probability of each edge, shape (e,); those that enter a node sum to one.
        edge_index: The edges, [0] = source j, [1] = target i (row i of the operator), shape (2, e).
        batch: Batch (or one graph) with ``rw_edge_index``, ``rw_multiplicity``, ``rw_log_ref``, ``sigma``, ``rw_steps``.

    Returns:
        Mean over graphs, a scalar in nats. It is 0 for the true operator.

    Raises:
        InputError: when there is not one transition per edge, or when the edges are none of this batch's.
    """
    members = membership(batch, int(batch.num_nodes or 0), transition.device)
    edge_index = checked_edges(edge_index, members.batch.numel())
    expect(
        transition.shape == edge_index.shape[1:] and transition.is_floating_point(),
        f"expected a float transition for each of {edge_index.size(1)} edges, found {described(transition)}; pass (e,).",
    )
    transition = transition.to(torch.promote_types(transition.dtype, torch.float32))
    dense = _dense(transition, edge_index, members, int(members.size.max()))
    return _walk_distance(dense, batch, members, _row_kl).mean()


def _walk_distance(
    dense_predicted: Tensor, batch: Data, members: Membership, compare: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Weighted sum of ``compare`` (true, predicted) over the steps that each graph compares, of padded operators, shape (b,)."""
    x, n = dense_predicted, members.batch.numel()
    edge_index = target_edges(batch, "rw_edge_index", n)
    multiplicity = target_values(batch, "rw_multiplicity", edge_index.size(1)).to(x.dtype)
    log_ref = target_values(batch, "rw_log_ref", edge_index.size(1)).to(x.dtype)
    reference = log_transitions(log_ref, multiplicity, edge_index, n).exp()
    dense_reference = _dense(reference, edge_index, members, dense_predicted.size(1))
    weight = _step_weights(target_values(batch, "rw_steps", members.num_graphs), members, x.dtype)
    walk, walk_ref = dense_predicted, dense_reference
    total = x.new_zeros(members.num_graphs)
    # Automatic mixed precision would take the powers in half precision, where the offset of the logarithm is zero.
    with torch.autocast(x.device.type, enabled=False):
        for step in range(weight.size(0)):
            if step:
                walk, walk_ref = walk @ dense_predicted, walk_ref @ dense_reference
            total = total + weight[step] * compare(walk_ref, walk)
    return total


def _dense(transition: Tensor, edge_index: Tensor, members: Membership, m: int) -> Tensor:
    """T of every graph, padded to (b, m, m), of which m is the largest graph's size."""
    source, target = edge_index
    b = members.num_graphs
    graph = members.batch[target]
    first = members.ptr[graph]
    place = (graph * m + target - first) * m + source - first
    return segment_sum(transition, place, b * m * m).view(b, m, m)


def _step_weights(steps: Tensor, members: Membership, dtype: torch.dtype) -> Tensor:
    """``2^-(s-1) / n`` for the steps that a graph compares, 0 beyond, shape (S, b)."""
    step = torch.arange(int(steps.max()), device=steps.device)[:, None]
    return torch.where(step < steps, 0.5**step, 0.0).to(dtype) / members.size.clamp(min=1)


def _row_kl(t: Tensor, q: Tensor) -> Tensor:
    """Sum of ``t log((t + eps) / (q + eps))`` per graph."""
    if is_transformed():
        return (t * ((t + EPS) / (q + EPS)).log()).sum(dim=(1, 2))
    return _RowKL.apply(t, q)


class _RowKL(torch.autograd.Function):
    """The same; saves t and q only and spends one pass on the gradient."""

    @staticmethod
    def forward(ctx: Any, t: Tensor, q: Tensor) -> Tensor:
        ctx.save_for_backward(t, q)
        return (t + EPS).div_(q + EPS).log_().mul_(t).sum(dim=(1, 2))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, Tensor]:
        t, q = ctx.saved_tensors
        return None, t / (q + EPS) * -grad_outputs[0][:, None, None]

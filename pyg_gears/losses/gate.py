"""Supervision of the gate: by the true transitions, by their ranking, and by an earlier state of itself."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.errors import expect
from pyg_gears.graphs import segment_log_softmax
from pyg_gears.losses.membership import membership

TOP_MASS = 0.5


def gate_kl(logits: Float[Tensor, " e"] | Float[Tensor, "e h"], batch: Data) -> Float[Tensor, ""]:
    r"""KL from the true transitions on the candidates to the gate's row softmax.

    .. math:: L_{gate} = \frac1n \sum_i \mathrm{KL}(p_i \| q_i), \quad q_i = \mathrm{softmax}_{j \in cand(i) \setminus i}(g_{ij})

    Self-edges belong to neither side. A node without a true neighbour among its candidates contributes nothing.

    Args:
        logits: Gate logits, shape (e,), one per column of ``batch.edge_index``, or per head (e, h): then the heads' mean.
        batch: Batch (or one graph) with ``edge_index`` and ``gate_target``.

    Returns:
        Mean over graphs, a scalar >= 0 in nats.

    Raises:
        InputError: when the logits belong to other edges.
    """
    return _row_kl(batch.gate_target, _log_rows(logits, batch), batch)


def gate_trust(logits: Float[Tensor, " e"] | Float[Tensor, "e h"], reference: Tensor, batch: Data) -> Float[Tensor, ""]:
    r"""How far the gate has drifted from an earlier one, on the same edges.

    .. math:: L_{trust} = \frac1n \sum_i \mathrm{KL}(\mathrm{softmax}\, g^{pre}_i \,\|\, \mathrm{softmax}\, g_i)

    Args:
        logits: Gate logits, shape (e,) or (e, h).
        reference: Logits of the earlier gate, of the same shape; no gradient reaches them.
        batch: Batch (or one graph) with ``edge_index``.

    Returns:
        Mean over graphs (and heads), a scalar >= 0 in nats, 0 for equal gates.

    Raises:
        InputError: when either belongs to other edges.
    """
    earlier = _log_rows(reference.detach(), batch).exp()
    return _row_kl(earlier, _log_rows(logits, batch), batch)


def gate_ranking(
    logits: Float[Tensor, " e"] | Float[Tensor, "e h"],
    batch: Data,
    generator: torch.Generator,
    margin: float = 1.0,
) -> Float[Tensor, ""]:
    r"""True neighbours above others: ``mean max(0, margin - g_pos + g_neg)``.

    Positives are each node's likeliest true neighbours, the fewest that hold half of the mass of ``gate_target``; each is
    compared with one candidate of the same node, drawn at random, that is not a true neighbour.

    Args:
        logits: Gate logits, shape (e,) or (e, h).
        batch: Batch (or one graph) with ``edge_index`` and ``gate_target``.
        generator: Source of the negatives, on the CPU.
        margin: Least difference of the logits.

    Returns:
        Mean over the pairs (and heads), a scalar >= 0; 0 without a pair.

    Raises:
        InputError: when the logits belong to other edges.
    """
    _check(logits, batch)
    source, target = batch.edge_index
    n, p = int(batch.num_nodes), batch.gate_target
    # Sorted by node, then falling probability: an edge is a positive while the mass before it is below the half.
    order = p.argsort(descending=True, stable=True)
    order = order[target[order].argsort(stable=True)]
    running = p[order].double().cumsum(0)
    mass = scatter(p.double(), target, dim_size=n)
    before = running - p[order].double() - (mass.cumsum(0) - mass)[target[order]]
    positive = order[(before < TOP_MASS * mass[target[order]] - 1e-9) & (p[order] > 0)]
    negative = ((p == 0) & (source != target)).nonzero().flatten()
    negative = negative[target[negative].argsort(stable=True)]
    count = torch.bincount(target[negative], minlength=n)
    first = count.cumsum(0) - count
    positive = positive[count[target[positive]] > 0]
    if positive.numel() == 0:
        return logits.sum() * 0.0
    node = target[positive]
    draw = torch.rand(positive.numel(), generator=generator, dtype=torch.float64).to(node.device)
    chosen = negative[first[node] + (draw * count[node]).long()]
    return (margin - logits[positive] + logits[chosen]).clamp(min=0.0).mean()


def _check(logits: Tensor, batch: Data) -> None:
    edges = batch.edge_index.size(1)
    expect(
        logits.dim() in (1, 2) and logits.size(0) == edges,
        f"expected one logit for each of the {edges} candidate edges, found shape {tuple(logits.shape)}; "
        "pass the gate's output on batch.edge_index.",
    )


def _log_rows(logits: Tensor, batch: Data) -> Tensor:
    """Log softmax over the candidates of each node without itself, 0 on self-edges, shape (e,) or (e, h)."""
    _check(logits, batch)
    source, target = batch.edge_index
    other = (source != target).nonzero().flatten()
    rows = segment_log_softmax(logits[other], target[other], int(batch.num_nodes))
    return torch.zeros_like(logits).index_copy(0, other, rows)


def _row_kl(p: Tensor, log_q: Tensor, batch: Data) -> Tensor:
    """Mean over graphs, over nodes (and heads) of KL(p || q) on the edges other than self-edges."""
    source, target = batch.edge_index
    n = int(batch.num_nodes)
    p = p.to(log_q.dtype)
    p = p[:, None] if log_q.dim() == 2 and p.dim() == 1 else p
    divergence = (torch.xlogy(p, p) - p * log_q).masked_fill((source == target).view(-1, *[1] * (log_q.dim() - 1)), 0.0)
    if divergence.dim() == 2:
        divergence = divergence.mean(dim=1)
    row = scatter(divergence, target, dim_size=n)
    return membership(batch, n, row.device).node_mean(row).mean()

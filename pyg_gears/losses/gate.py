"""Supervision of the gate: by the true transitions, by their ranking, and by an earlier state of itself."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.errors import described, expect
from pyg_gears.graphs import segment_log_softmax
from pyg_gears.graphs.segment_softmax import segment_sum
from pyg_gears.losses.membership import membership, target_edges, target_values

TOP_MASS = 0.5
ROUNDING = 1e-3
"""By how much a row of the target may miss a sum of one and still be whole (float16 misses by this much)."""
LIMIT = 1e6
"""Logits count as at most this much, and at least as minus this much: -inf, the usual mask, has no finite KL."""


def gate_kl(logits: Float[Tensor, " e"] | Float[Tensor, "e h"], batch: Data) -> Float[Tensor, ""]:
    r"""KL from the true transitions on the candidates to the gate's row softmax.

    .. math:: L_{gate} = \frac1n \sum_i \mathrm{KL}(p_i \| q_i), \quad q_i = \mathrm{softmax}_{j \in cand(i) \setminus i}(g_{ij})

    Self-edges belong to neither side. A node without a true neighbour among its candidates contributes nothing. Where candidates
    were taken away after the target was built (``Data.subgraph``), p is the target over those that are left.

    Args:
        logits: Gate logits, shape (e,), one per column of ``batch.edge_index``, or per head (e, h): then the heads' mean.
        batch: Batch (or one graph) with ``edge_index`` and ``gate_target``.

    Returns:
        Mean over graphs, a scalar >= 0 in nats.

    Raises:
        InputError: when the logits belong to other edges.
    """
    logits, edge_index = _checked(logits, batch)
    return _row_kl(candidate_transitions(batch, edge_index), _log_rows(logits, edge_index, batch), edge_index, batch)


def candidate_transitions(batch: Data, edge_index: Int[Tensor, "2 e"]) -> Float[Tensor, " e"]:
    """``gate_target`` with rows that sum to one, or to zero where a node has no true neighbour among its candidates.

    Rows that lack some of their edges, as after ``Data.subgraph``, are divided by what is left of them; whole rows stay as they
    are, bit for bit.

    Args:
        batch: Batch (or one graph) with ``gate_target``.
        edge_index: The candidates, shape (2, e).

    Returns:
        Probabilities, shape (e,).

    Raises:
        InputError: when the batch has none, or another number.
    """
    p = target_values(batch, "gate_target", edge_index.size(1))
    total = segment_sum(p, edge_index[1], int(batch.num_nodes or 0))
    torn = ((total - 1).abs() > ROUNDING) & (total > 0)
    return p / torch.where(torn, total, 1.0)[edge_index[1]]


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
    (reference, _), (logits, edge_index) = _checked(reference, batch), _checked(logits, batch)
    expect(
        reference.shape == logits.shape,
        f"expected the earlier logits in the shape of the gate's, found {tuple(reference.shape)} and "
        f"{tuple(logits.shape)}; pass those of the same gate.",
    )
    earlier = _log_rows(reference.detach(), edge_index, batch).exp()
    return _row_kl(earlier, _log_rows(logits, edge_index, batch), edge_index, batch)


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
    logits, (source, target) = _checked(logits, batch)
    n, p = int(batch.num_nodes), target_values(batch, "gate_target", target.numel())
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
    draw = torch.rand(positive.numel(), generator=generator, dtype=torch.float64, device="cpu").to(node.device)
    chosen = negative[first[node] + (draw * count[node]).long()]
    return (margin - logits[positive] + logits[chosen]).clamp(min=0.0).mean()


def _checked(logits: Tensor, batch: Data) -> tuple[Tensor, Tensor]:
    """Logits within the limit, half precision as float32, and the candidates."""
    edge_index = target_edges(batch, "edge_index", int(batch.num_nodes or 0))
    edges = edge_index.size(1)
    expect(
        isinstance(logits, Tensor) and logits.dim() in (1, 2) and logits.size(0) == edges,
        f"expected one logit for each of the {edges} candidate edges, found {described(logits)}; "
        "pass the gate's output on batch.edge_index.",
    )
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    return logits.clamp(-LIMIT, LIMIT), edge_index


def _log_rows(logits: Tensor, edge_index: Tensor, batch: Data) -> Tensor:
    """Log softmax over the candidates of each node without itself, 0 on self-edges, shape (e,) or (e, h)."""
    source, target = edge_index
    other = (source != target).nonzero().flatten()
    rows = segment_log_softmax(logits[other], target[other], int(batch.num_nodes))
    return torch.zeros_like(logits).index_copy(0, other, rows)


def _row_kl(p: Tensor, log_q: Tensor, edge_index: Tensor, batch: Data) -> Tensor:
    """Mean over graphs, over nodes (and heads) of KL(p || q) on the edges other than self-edges."""
    (source, target), n = edge_index, int(batch.num_nodes)
    p = p.to(log_q.dtype)
    p = p[:, None] if log_q.dim() == 2 and p.dim() == 1 else p
    divergence = (torch.xlogy(p, p) - p * log_q).masked_fill((source == target).view(-1, *[1] * (log_q.dim() - 1)), 0.0)
    if divergence.dim() == 2:
        divergence = divergence.mean(dim=1)
    row = scatter(divergence, target, dim_size=n)
    return membership(batch, n, row.device).node_mean(row).mean()

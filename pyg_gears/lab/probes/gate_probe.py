"""How well the gate knows the true neighbours among the candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.graphs import segment_log_softmax
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches, frozen, miniset_means
from pyg_gears.lab.probes.gate_edges import GateEdges, gate_edges, shared_logits
from pyg_gears.lab.probes.row_statistics import edge_rows, row_best, row_correlation, row_ranks

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

NEIGHBORS = 30
BINS = 20
MEASURES = (
    "kl",
    "precision",
    "recall",
    "candidate_recall",
    "entropy",
    "drift",
    "spearman",
    "pearson",
    "self_mass",
    "average_precision",
)


class GateProbeOutput(NamedTuple):
    """The gate against the true transitions: means over minisets of means over nodes.

    Attributes:
        minisets: Number of minisets.
        k: Neighbours counted in ``precision`` and ``recall``.
        kl: KL from the true transitions on the candidates to the gate's row softmax, nats.
        precision: Share of the k candidates of highest logit (all of fewer) that are among the k best true neighbours.
        recall: Share of the k best true neighbours (all of fewer) that are among the k candidates of highest logit.
        candidate_recall: Share of those k that are candidates at all: the ceiling of ``recall``.
        entropy: Entropy of the gate's row softmax, nats.
        drift: KL from the reference gate's row softmax to this one's, nats; NaN without a reference.
        spearman: Rank correlation of logits and T_ref within a node's candidates.
        pearson: Linear correlation of the row softmax and T_ref within a node's candidates.
        self_mass: Softmax mass of the self-loop, at its logit of 0, among the candidates, before ``beta``.
        average_precision: Average precision of telling true neighbours from other candidates by the logit, per miniset.
        calibration_error: Mean distance of ``reliability_predicted`` and ``reliability_true``, as a share of the mean of
            the latter.
        spread: Standard deviation over minisets of the measures above, ``kl`` to ``average_precision``.
        reliability_predicted: Mean probability of the gate in bins of equally many edges, ascending, shape (bins,).
        reliability_true: Mean true transition probability (renormalised over candidates) in the bin, shape (bins,).
        reliability_edges: Number of edges in the bin, shape (bins,).
    """

    minisets: int
    k: int
    kl: float
    precision: float
    recall: float
    candidate_recall: float
    entropy: float
    drift: float
    spearman: float
    pearson: float
    self_mass: float
    average_precision: float
    calibration_error: float
    spread: dict[str, float]
    reliability_predicted: Float[np.ndarray, " bins"]
    reliability_true: Float[np.ndarray, " bins"]
    reliability_edges: Int[np.ndarray, " bins"]


def gate_probe(
    model: StructureModel,
    minisets: Minisets,
    node_budget: int = 1024,
    reference: Callable[[Tensor, Tensor], Tensor] | None = None,
    k: int = NEIGHBORS,
) -> GateProbeOutput:
    r"""Measure a model's gate against the true transitions.

    With g the logits on the candidates of node i, itself left out, :math:`q_i = \mathrm{softmax}(g_i)` and p_i = T_ref
    renormalised over the candidates (a node without a true neighbour among them adds 0 to ``kl``, which is
    :func:`pyg_gears.losses.gate_kl`, and is left out of the correlations):

    .. math::
        \mathrm{KL}_i = \sum_j p_{ij} \log (p_{ij} / q_{ij}), \quad
        \mathrm{drift}_i = \mathrm{KL}(q^{ref}_i \| q_i), \quad
        \mathrm{precision}_i = |A_i \cap B_i| / |A_i|, \quad \mathrm{recall}_i = |A_i \cap B_i| / |B_i|

    with A_i the k candidates of highest logit and B_i the k true neighbours of largest T_ref, candidates or not. Ties go to
    the lower number. Logits per head count as their mean over the heads.

    Args:
        model: Structure model with a gate.
        minisets: Minisets with targets and candidates.
        node_budget: Most nodes of a batch.
        reference: An earlier state of the gate, called with the embedding and the edges.
        k: Neighbours counted.

    Raises:
        InputError: when there is no miniset, or the model uses no gate.
    """
    table = MinisetTable(len(minisets))
    predicted, wanted = [], []
    with frozen(reference), evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            edges = gate_edges(model, batch, k)
            other = None if reference is None else shared_logits(reference(batch.x, batch.edge_index))[edges.other]
            for name, rows in _measures(edges, other, k).items():
                table.add(name, ids, miniset_means(rows, batch))
            table.add("average_precision", ids, _average_precisions(edges, batch))
            predicted.append(edges.log_q.exp().cpu().numpy())
            wanted.append(edges.p.cpu().numpy())
    q, p, count = _reliability(np.concatenate(predicted), np.concatenate(wanted))
    if reference is None:
        table.add("drift", [], np.empty(0))
    return GateProbeOutput(
        minisets=len(minisets),
        k=k,
        **{name: table.mean(name) for name in MEASURES},
        calibration_error=float((count * np.abs(q - p)).sum() / max((count * p).sum(), 1e-300)),
        spread={name: table.spread(name) for name in MEASURES},
        reliability_predicted=q,
        reliability_true=p,
        reliability_edges=count,
    )


def _measures(edges: GateEdges, reference: Tensor | None, k: int) -> dict[str, Tensor]:
    """Every measure at every node, shape (n,) each."""
    _, target, logits, log_q, p, true, n = edges

    def per_node(values: Tensor) -> Tensor:
        return values.new_zeros(n).index_add(0, target, values)

    rows, mask = edge_rows(logits, target, n)
    p_rows, _ = edge_rows(p, target, n)
    chosen = row_best(rows, mask, k)
    best, _ = edge_rows(true.best, target, n)
    hits = (chosen & best).sum(dim=(1, 2))
    q = log_q.exp()
    top = logits.new_zeros(n).scatter_reduce(0, target, logits, "amax")
    own = (-top).exp()
    found = {
        "kl": per_node(torch.xlogy(p, p) - p * log_q),
        "precision": hits / chosen.sum(dim=(1, 2)),
        "recall": hits / true.wanted,
        "candidate_recall": per_node(true.best.double()) / true.wanted,
        "entropy": -per_node(q * log_q),
        "spearman": row_correlation(row_ranks(rows, mask), row_ranks(p_rows, mask), mask)[:, 0],
        "pearson": row_correlation(edge_rows(q, target, n)[0], p_rows, mask)[:, 0],
        "self_mass": own / (own + per_node((logits - top[target]).exp())),
    }
    if reference is not None:
        log_r = segment_log_softmax(reference, target, n)
        found["drift"] = per_node(log_r.exp() * (log_r - log_q))
    return found


def _average_precisions(edges: GateEdges, batch: Any) -> Float[np.ndarray, " b"]:
    graph = batch.batch[edges.target].cpu().numpy()
    score, positive = edges.logits.cpu().numpy(), (edges.true.transition > 0).cpu().numpy()
    return np.array([average_precision(score[graph == g], positive[graph == g]) for g in range(batch.num_graphs)])


def average_precision(score: Float[np.ndarray, " s"], positive: Bool[np.ndarray, " s"]) -> float:
    """Area under the precision-recall curve by steps, equal scores counted at once; NaN without a positive."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) < 0, True)
    hits, seen = np.cumsum(positive[order])[last], np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) * hits / seen).sum() / hits[-1])


def _reliability(
    q: Float[np.ndarray, " s"], p: Float[np.ndarray, " s"]
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"], Int[np.ndarray, " bins"]]:
    order = np.argsort(q, kind="stable")
    starts = np.unique(np.linspace(0, q.size, min(BINS, q.size) + 1).astype(int))
    count = np.diff(starts)
    mean_q, mean_p = (np.add.reduceat(v[order], starts[:-1]) / count for v in (q, p))
    return mean_q, mean_p, count

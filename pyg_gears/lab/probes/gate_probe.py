"""How well the gate ranks the true neighbours among the candidates, and how far its probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.graphs import segment_log_softmax
from pyg_gears.lab.probe import Probe
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches, frozen, miniset_means
from pyg_gears.lab.probes.model_parts import GateEdges, gate_edges, require_gate, shared_logits
from pyg_gears.lab.probes.row_statistics import edge_rows, row_best, row_correlation, row_ranks
from pyg_gears.lab.probes.subject import Found, each_member, member_table
from pyg_gears.report.figure_style import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from pyg_gears.models import StructureModel

NEIGHBORS = 30
BINS = 20
MEASURES = {
    "precision_30": "precision@30",
    "recall_30": "recall@30",
    "candidate_recall": "true neighbours that are candidates",
    "strict_precision_30": "precision@30 against the 30 likeliest",
    "strict_recall_30": "recall@30 of the 30 likeliest",
    "strict_candidate_recall": "30 likeliest that are candidates",
    "average_precision": "average precision",
    "kl": "KL from the truth, nats",
    "drift": "KL from the reference gate, nats",
    "entropy": "entropy, nats",
    "spearman": "Spearman with the true transitions",
    "pearson": "correlation with the true transitions",
    "self_mass": "mass of the self-loop",
}


class GateProbeOutput(NamedTuple):
    """The gate against the true transitions: means over minisets of means over nodes.

    Attributes:
        minisets: Number of minisets.
        precision_30: True neighbours among the 30 candidates of highest logit, over 30, as published.
        recall_30: The same over the number of all true neighbours, as published.
        candidate_recall: Share of all true neighbours that are candidates.
        strict_precision_30: Share of the 30 candidates of highest logit (all of fewer) that are among the 30 likeliest true
            neighbours.
        strict_recall_30: Share of the 30 likeliest true neighbours (all of fewer) that are among the 30 candidates of highest
            logit.
        strict_candidate_recall: Share of those 30 that are candidates: the ceiling of ``strict_recall_30``.
        average_precision: Average precision of separating true neighbours from other candidates by the logit, per miniset.
        kl: KL from the true transitions on the candidates to the gate's row softmax, nats.
        drift: KL from the reference gate's row softmax to this one's, nats; NaN without a reference.
        entropy: Entropy of the gate's row softmax, nats.
        spearman: Rank correlation of logits and T_ref within a node's candidates.
        pearson: Linear correlation of the row softmax and T_ref within a node's candidates.
        self_mass: Softmax mass of the self-loop, at its logit of 0, among the candidates, before ``beta``.
        calibration_error: Mean distance of ``reliability_predicted`` and ``reliability_true``, as a share of the mean of
            the latter.
        spread: Standard deviation over minisets of the measures above, ``precision_30`` to ``self_mass``.
        reliability_predicted: Mean probability of the gate in bins of equally many edges, ascending, shape (bins,).
        reliability_true: Mean true transition probability (renormalised over candidates) in the bin, shape (bins,).
        reliability_edges: Number of edges in the bin, shape (bins,).
    """

    minisets: int
    precision_30: float
    recall_30: float
    candidate_recall: float
    strict_precision_30: float
    strict_recall_30: float
    strict_candidate_recall: float
    average_precision: float
    kl: float
    drift: float
    entropy: float
    spearman: float
    pearson: float
    self_mass: float
    calibration_error: float
    spread: dict[str, float]
    reliability_predicted: Float[np.ndarray, " bins"]
    reliability_true: Float[np.ndarray, " bins"]
    reliability_edges: Int[np.ndarray, " bins"]


def gate_probe(
    model: StructureModel,
    minisets: Minisets,
    node_budget: int = 1024,
    reference: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None = None,
) -> GateProbeOutput:
    r"""Measure a model's gate against the true transitions.

    With g the logits on the candidates of node i, itself left out, :math:`q_i = \mathrm{softmax}(g_i)` and p_i = T_ref
    renormalised over the candidates (a node without a true neighbour among them adds 0 to ``kl``, which is
    :func:`pyg_gears.losses.gate_kl`, and is left out of the correlations):

    .. math::
        \mathrm{KL}_i = \sum_j p_{ij} \log (p_{ij} / q_{ij}), \quad
        \mathrm{drift}_i = \mathrm{KL}(q^{ref}_i \| q_i), \quad
        \mathrm{precision}_{30} = |A_i \cap N_i| / 30, \quad \mathrm{recall}_{30} = |A_i \cap N_i| / |N_i|

    with A_i the 30 candidates of highest logit and N_i all true neighbours, candidates or not. The strict measures count the
    30 true neighbours of largest T_ref, B_i, in their place, over :math:`|A_i|` and :math:`|B_i|`. Ties go to the lower
    number. Logits per head count as their mean over the heads.

    Args:
        model: Structure model with a gate.
        minisets: Minisets with targets and candidates.
        node_budget: Most nodes of a batch.
        reference: An earlier state of the gate, called with the embedding and the edges.

    Raises:
        InputError: when there is no miniset.
        NotMeasurable: when the model has no gate.
    """
    require_gate(model)
    table = MinisetTable(len(minisets))
    predicted, wanted = [], []
    with frozen(reference), evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            edges = gate_edges(model, batch, NEIGHBORS)
            other = (
                None
                if reference is None
                else shared_logits(reference(batch.x, batch.edge_index, batch.batch))[edges.other]
            )
            for name, rows in _measures(edges, other).items():
                table.add(name, ids, miniset_means(rows, batch))
            table.add("average_precision", ids, _average_precisions(edges, batch))
            predicted.append(edges.log_q.exp())
            wanted.append(edges.p)
    q, p, count = _reliability(torch.cat(predicted), torch.cat(wanted))
    if reference is None:
        table.add("drift", [], np.empty(0))
    return GateProbeOutput(
        minisets=len(minisets),
        **{name: table.mean(name) for name in MEASURES},
        calibration_error=float((count * np.abs(q - p)).sum() / max((count * p).sum(), 1e-300)),
        spread={name: table.spread(name) for name in MEASURES},
        reliability_predicted=q,
        reliability_true=p,
        reliability_edges=count,
    )


def _measures(edges: GateEdges, reference: Tensor | None) -> dict[str, Tensor]:
    """Every measure at every node, shape (n,) each."""
    _, target, logits, log_q, p, true, n = edges

    def per_node(values: Tensor) -> Tensor:
        return values.new_zeros(n).index_add(0, target, values)

    rows, mask = edge_rows(logits, target, n)
    p_rows, _ = edge_rows(p, target, n)
    chosen = row_best(rows, mask, NEIGHBORS)
    near, best = true.transition > 0, true.best
    hits, strict = ((chosen & edge_rows(marks, target, n)[0]).sum(dim=(1, 2)) for marks in (near, best))
    q = log_q.exp()
    top = logits.new_zeros(n).scatter_reduce(0, target, logits, "amax")
    own = (-top).exp()
    found = {
        "precision_30": hits / NEIGHBORS,
        "recall_30": hits / true.degree,
        "candidate_recall": per_node(near.double()) / true.degree,
        "strict_precision_30": strict / chosen.sum(dim=(1, 2)),
        "strict_recall_30": strict / true.wanted,
        "strict_candidate_recall": per_node(best.double()) / true.wanted,
        "kl": per_node(torch.xlogy(p, p) - p * log_q),
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
    """Area under the precision-recall curve of every graph; NaN without a true neighbour among the candidates."""
    from sklearn.metrics import average_precision_score

    graph = batch.batch[edges.target].cpu().numpy()
    score, near = edges.logits.cpu().numpy(), (edges.true.transition > 0).cpu().numpy()
    parts = ((near[graph == g], score[graph == g]) for g in range(batch.num_graphs))
    return np.array([average_precision_score(*part) if part[0].any() else np.nan for part in parts])


def _reliability(
    q: Float[Tensor, " s"], p: Float[Tensor, " s"]
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"], Int[np.ndarray, " bins"]]:
    order = q.argsort(stable=True)
    parts = [part.tensor_split(min(BINS, q.numel())) for part in (q[order], p[order])]
    mean_q, mean_p = (torch.stack([part.mean() for part in each]).cpu().numpy() for each in parts)
    return mean_q, mean_p, np.array([part.numel() for part in parts[0]])


def _tables(found: Found[GateProbeOutput]) -> Mapping[str, pd.DataFrame]:
    shown = {**MEASURES, "calibration_error": "calibration error"}
    del shown["drift"]  # there is no reference gate in a diagnosis
    rows = member_table(found, lambda one: {label: getattr(one, name) for name, label in shown.items()})
    return {"Gate": rows}


def _draw(found: Found[GateProbeOutput], figure: Figure) -> None:
    """Reliability: the mean true transition against the probability that the gate gives."""
    figure.set_size_inches(1.0 + 3.6 * len(found), 3.9)
    panels = figure.subplots(1, len(found), sharex=True, sharey=True, squeeze=False)[0]
    records = [member for slide in found for member in slide.members]
    ends = np.concatenate([np.concatenate([r.reliability_predicted, r.reliability_true]) for r in records])
    ends = ends[ends > 0]
    for axes, slide in zip(panels, found, strict=True):
        for one in slide.members:
            axes.plot(one.reliability_predicted, one.reliability_true, color=PALETTE[0], marker="o", ms=3)
        diagonal = [ends.min(), ends.max()] if ends.size else [0.01, 1.0]
        axes.plot(diagonal, diagonal, color="black", lw=0.8, ls="--", label="calibrated")
        axes.set(xlabel="probability given by the gate", xscale="log", yscale="log")
        axes.set_title(f"{slide.name}\n({slide.status})", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("mean true transition")
    panels[0].legend(frameon=False, fontsize=8)


PROBE = Probe(
    "gate",
    each_member(lambda model, slide, subject: gate_probe(model, slide.minisets, subject.node_budget), "gate"),
    _tables,
    _draw,
)

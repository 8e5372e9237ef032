"""Gate logits of true and of false neighbours, for histograms and precision-recall curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float

from pyg_gears.lab.probe import Probe
from pyg_gears.lab.probes.evaluation_batches import Minisets, evaluation_batches
from pyg_gears.lab.probes.model_parts import gate_edges, require_gate
from pyg_gears.lab.probes.subject import Found, each_member, member_table
from pyg_gears.report.figure_style import OTHER, PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pyg_gears.models import StructureModel

RANKINGS = {"logits": ("logit", PALETTE[0]), "log_probability": ("softmax of the node", PALETTE[1])}


class GateScores(NamedTuple):
    """Candidate edges for a histogram or a precision-recall curve; self-loops are left out.

    Attributes:
        logits: Gate logits, shape (s,).
        log_probability: Log of the gate's row softmax, shape (s,).
        is_true: Whether the edge joins true neighbours, shape (s,).
        target: T_ref renormalised over the candidates of the node, shape (s,).
        edges: Number of edges before thinning.
    """

    logits: Float[np.ndarray, " s"]
    log_probability: Float[np.ndarray, " s"]
    is_true: Bool[np.ndarray, " s"]
    target: Float[np.ndarray, " s"]
    edges: int


def gate_scores(model: StructureModel, minisets: Minisets, node_budget: int = 1024, limit: int = 50_000) -> GateScores:
    """Logits of candidate edges, and which of them join true neighbours.

    Args:
        model: Structure model with a gate.
        minisets: Minisets with targets and candidates.
        node_budget: Most nodes of a batch.
        limit: Most edges to keep; more are thinned by even strides through the minisets in the order of their numbers.

    Raises:
        InputError: when there is no miniset.
        NotMeasurable: when the model has no gate.
    """
    require_gate(model)
    kept: dict[int, Float[np.ndarray, "s 4"]] = {}
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            edges = gate_edges(model, batch)
            columns = [edges.logits, edges.log_q, edges.true.transition, edges.p]
            values = torch.stack(columns, dim=1).cpu().numpy()
            graph = batch.batch[edges.target].cpu().numpy()
            kept |= {number: values[graph == place] for place, number in enumerate(ids)}
    values = np.concatenate([kept[number] for number in sorted(kept)])
    total = len(values)
    if total > limit:
        values = values[np.linspace(0, total - 1, limit).astype(int)]
    return GateScores(values[:, 0], values[:, 1], values[:, 2] > 0, values[:, 3], total)


def _area(scores: GateScores, ranking: str) -> float:
    """Average precision over all edges at once; NaN without a true neighbour among them."""
    from sklearn.metrics import average_precision_score

    return average_precision_score(scores.is_true, getattr(scores, ranking)) if scores.is_true.any() else float("nan")


def _summary(scores: GateScores) -> dict[str, float]:
    shown = {f"average precision of the {label}": _area(scores, name) for name, (label, _) in RANKINGS.items()}
    return {**shown, "chance": float(scores.is_true.mean())}


def _tables(found: Found[GateScores]) -> Mapping[str, pd.DataFrame]:
    return {"Ranking of all candidate edges at once": member_table(found, _summary)}


def _numbers(found: Found[GateScores]) -> list[dict[str, object]]:
    """Averages only: the single scores are for the figure."""
    return [
        {
            "name": slide.name,
            "status": slide.status,
            "members": [{"edges": scores.edges, **_summary(scores)} for scores in slide.members],
        }
        for slide in found
    ]


def _draw(found: Found[GateScores], figure: Figure) -> None:
    """A column per slide: logits of true and of false neighbours above, precision and recall below."""
    figure.set_size_inches(1.0 + 3.6 * len(found), 6.4)
    panels = figure.subplots(2, len(found), sharex="row", sharey="row", squeeze=False)
    logits = np.concatenate([scores.logits for slide in found for scores in slide.members])
    low, high = np.percentile(logits, [0.1, 99.9])
    bins = np.linspace(low, max(high, low + 1e-6), 50)
    for (histogram, curve), slide in zip(panels.T, found, strict=True):
        for value, label, color in ((False, "false neighbours", OTHER), (True, "true neighbours", PALETTE[0])):
            shown = np.concatenate([scores.logits[scores.is_true == value] for scores in slide.members])
            if shown.size:
                histogram.hist(shown, bins, density=True, color=color, alpha=0.65, lw=0, label=label)
        histogram.set_title(f"{slide.name}\n({slide.status})", fontsize=10)
        histogram.set_xlabel("gate logit")
        for number, scores in enumerate(slide.members):
            _precision_recall(curve, scores, labelled=number == 0)
        share = float(np.mean([scores.is_true.mean() for scores in slide.members]))
        curve.axhline(share, color="black", lw=0.8, ls="--", label=f"chance, {share:.3f}")
        curve.set(xlabel="recall", xlim=(0, 1), ylim=(0, 1.02))
        curve.set_xticks((0, 0.5, 1), labels=("0", "0.5", "1"))
        curve.legend(frameon=False, fontsize=8)
    panels[0, 0].legend(frameon=False, fontsize=8)
    panels[0, 0].set_ylabel("density")
    panels[1, 0].set_ylabel("precision")
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)


def _precision_recall(axes: Axes, scores: GateScores, *, labelled: bool) -> None:
    from sklearn.metrics import precision_recall_curve

    if not scores.is_true.any():
        return
    for name, (label, color) in RANKINGS.items():
        precision, recall, _ = precision_recall_curve(scores.is_true, getattr(scores, name), drop_intermediate=True)
        text = f"{label}, area {_area(scores, name):.3f}" if labelled else None
        # The last point of the curve, precision 1 at recall 0, belongs to no threshold.
        axes.plot(recall[:-1], precision[:-1], color=color, lw=1.6, alpha=1.0 if labelled else 0.4, label=text)


PROBE = Probe(
    "gate_scores",
    each_member(
        lambda model, slide, subject: gate_scores(model, slide.minisets, subject.node_budget), "scores of the gate"
    ),
    _tables,
    _draw,
    numbers=_numbers,
)

"""Figures of the gate and of the gap that it leaves: scores, weight, decomposition, graph recovery, poison pills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from pyg_gears.lab.probes.attention_figures import slide_label
from pyg_gears.lab.probes.gate_probe import average_precision
from pyg_gears.report.figure_style import OTHER, PALETTE, legend_below, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pyg_gears.lab.probes.diagnosis_numbers import SlideDiagnosis

CONDITIONS = {
    "oracle": "true graph, no gate (T-edge)",
    "oracle_in_candidates": "true edges among the candidates",
    "oracle_gate": "candidates, true gate",
    "learned_gate": "candidates, learned gate (H-gate)",
    "no_gate": "candidates, no gate",
    "initial": "initial coordinates, no attention",
}
PILLS = {
    "shuffled": "H shuffled in the miniset",
    "other_miniset": "H of another miniset",
    "random": "random H, same moments",
    "random_graph": "random graph, same degrees",
}
VARIANTS = {"cosine": "cosine", "euclidean": "Euclidean", "whitened": "whitened", "pca": "PCA", "shuffled": "shuffled"}
SHUFFLED_FACTOR = 6.0
POINTS = 400


def gate_figures(slides: Sequence[SlideDiagnosis], *, beta: float) -> dict[str, Figure]:
    """Every figure of the gate and the gap, by file name without suffix; scales are shared by the slides.

    Args:
        slides: What the probes found.
        beta: Weight of the gate that the model was trained for.

    Returns:
        Matplotlib figures, not attached to any window.

    Raises:
        ImportError: without matplotlib.
    """
    return {
        "gate_scores": score_figure(slides),
        "energy_by_beta": beta_figure(slides, beta),
        "gap_decomposition": gap_figure(slides),
        "graph_recovery": recovery_figure(slides),
        "poison_pills": pill_figure(slides),
    }


def score_figure(slides: Sequence[SlideDiagnosis]) -> Figure:
    """Gate logits of true and false neighbours, their precision-recall curve, and how far probabilities can be believed."""
    figure = new_figure(1.0 + 3.6 * len(slides), 9.2)
    panels = figure.subplots(3, len(slides), sharex="row", sharey="row", squeeze=False)
    logits = np.concatenate([member.scores.logits for slide in slides for member in slide.members])
    low, high = np.percentile(logits, [0.1, 99.9])
    bins = np.linspace(low, max(high, low + 1e-6), 50)
    for (histogram, curve, reliability), slide in zip(panels.T, slides, strict=True):
        for value, label, color in ((False, "false neighbours", OTHER), (True, "true neighbours", PALETTE[0])):
            shown = np.concatenate([m.scores.logits[m.scores.is_true == value] for m in slide.members])
            if shown.size:
                histogram.hist(shown, bins, density=True, color=color, alpha=0.65, lw=0, label=label)
        histogram.set_title(slide_label(slide), fontsize=10)
        histogram.set_xlabel("gate logit")
        for number, member in enumerate(slide.members):
            scores = member.scores
            for values, name, color in (
                (scores.logits, "logit", PALETTE[0]),
                (scores.log_probability, "softmax of the node", PALETTE[1]),
            ):
                recall, precision = precision_recall(values, scores.is_true)
                area = average_precision(values, scores.is_true)
                told = f"{name}, area {area:.3f}" if number == 0 else None
                curve.plot(recall, precision, color=color, lw=1.6, alpha=1.0 if number == 0 else 0.4, label=told)
            reliability.plot(
                member.gate.reliability_predicted, member.gate.reliability_true, color=PALETTE[0], marker="o", ms=3
            )
        share = float(np.mean([member.scores.is_true.mean() for member in slide.members]))
        curve.axhline(share, color="black", lw=0.8, ls="--", label=f"chance, {share:.3f}")
        curve.set(xlabel="recall", xlim=(0, 1), ylim=(0, 1.02))
        curve.set_xticks((0, 0.5, 1), labels=("0", "0.5", "1"))
        curve.legend(frameon=False, fontsize=8)
        reliability.set(xlabel="probability that the gate gives", xscale="log", yscale="log")
    lines = [member.gate for slide in slides for member in slide.members]
    ends = np.concatenate([np.concatenate([g.reliability_predicted, g.reliability_true]) for g in lines])
    ends = ends[ends > 0]
    for axes in panels[2]:
        axes.plot(
            [ends.min(), ends.max()], [ends.min(), ends.max()], color="black", lw=0.8, ls="--", label="calibrated"
        )
    panels[0, 0].legend(frameon=False, fontsize=8)
    panels[2, 0].legend(frameon=False, fontsize=8)
    for axes, label in zip(panels[:, 0], ("density", "precision", "mean true transition"), strict=True):
        axes.set_ylabel(label)
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def beta_figure(slides: Sequence[SlideDiagnosis], beta: float) -> Figure:
    """E_geo against the weight of the gate; members as thin lines, the true graph's E_geo dashed."""
    figure = new_figure(6.0, 4.8)
    axes = figure.subplots()
    for number, slide in enumerate(slides):
        color = PALETTE[number % len(PALETTE)]
        betas = list(slide.members[0].energy_by_beta)
        values = np.array([list(member.energy_by_beta.values()) for member in slide.members])
        for line in values if len(values) > 1 else ():
            axes.plot(betas, line, color=color, lw=0.8, alpha=0.5)
        axes.plot(
            betas, values.mean(axis=0), color=color, lw=2.2, marker="o", ms=5, label=f"{slide.name} ({slide.status})"
        )
        oracle = float(np.mean([member.gap.energy["oracle"] for member in slide.members]))
        axes.axhline(oracle, color=color, lw=1.2, ls="--")
    axes.plot([], [], color="black", lw=1.2, ls="--", label="on the true graph")
    axes.axvline(beta, color="black", lw=0.8, ls=":", label="weight in training")
    axes.set(xlabel="weight of the gate, beta", ylabel="E_geo", title="energy against the weight of the gate")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, [axes], columns=2)
    return figure


def gap_figure(slides: Sequence[SlideDiagnosis]) -> Figure:
    """E_geo on the true graph, the candidates, and what lies between; whiskers: std over members."""
    figure = new_figure(8.4, 1.6 + 0.36 * len(CONDITIONS) * max(len(slides), 2))
    axes = figure.subplots()
    values = {
        slide_label(slide, lines=1): [[m.gap.energy[name] for m in slide.members] for name in CONDITIONS]
        for slide in slides
    }
    _bars(axes, list(CONDITIONS.values()), values)
    axes.set(xlabel="E_geo", title="where the energy of inference goes (lower is better)")
    legend_below(figure, [axes], columns=3)
    return figure


def recovery_figure(slides: Sequence[SlideDiagnosis]) -> Figure:
    """How much of the tissue's neighbour graph the embedding's keeps, by way of searching neighbours."""
    measures = {
        "overlap": "overlap@20",
        "recall": "recall@100",
        "jaccard": "Jaccard index@20",
        "diffusion": "diffusion agreement, 4 steps",
    }
    figure = new_figure(13.0, 1.4 + 0.36 * len(VARIANTS) * max(len(slides), 2))
    panels = figure.subplots(1, len(measures), sharey=True)
    for axes, (measure, title) in zip(panels, measures.items(), strict=True):
        values = {}
        for slide in slides:
            found = [slide.recovery[name] for name in VARIANTS]
            numbers = (
                [r.diffusion[4] for r in found] if measure == "diffusion" else [getattr(r, measure) for r in found]
            )
            values[slide_label(slide, lines=1)] = [[number] for number in numbers]
        _bars(axes, list(VARIANTS.values()), values)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(0, 1.15)
    legend_below(figure, panels, columns=4)
    figure.suptitle("neighbours in the embedding against neighbours in the tissue (shuffled: chance)", fontsize=11)
    return figure


def pill_figure(slides: Sequence[SlideDiagnosis]) -> Figure:
    """How many times worse the energy gets when the input is spoilt; a sound model is on the right of 1."""
    figure = new_figure(7.6, 1.6 + 0.36 * len(PILLS) * max(len(slides), 2))
    axes = figure.subplots()
    values = {
        slide_label(slide, lines=1): [[m.pills.factor[p] for m in slide.members] for p in PILLS] for slide in slides
    }
    _bars(axes, list(PILLS.values()), values)
    axes.axvline(1.0, color="black", lw=1.0, ls="--", label="as good as the true input")
    axes.axvline(SHUFFLED_FACTOR, color=PALETTE[4], lw=1.0, ls=":", label=f"wanted of shuffled H: {SHUFFLED_FACTOR:g}")
    axes.set(xlabel="E_geo / E_geo of the true input", title="poison pills (higher is better)")
    axes.set_xlim(right=max(axes.get_xlim()[1], 1.1 * SHUFFLED_FACTOR))
    legend_below(figure, [axes], columns=2, order=list(values))
    return figure


def precision_recall(
    score: Float[np.ndarray, " s"], positive: Bool[np.ndarray, " s"]
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Recall and precision as the threshold falls, equal scores let in together, thinned to at most 400 points."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) < 0, True))
    hits = np.cumsum(positive[order])[last]
    recall, precision = hits / max(int(hits[-1]), 1), hits / (last + 1)
    if len(recall) > POINTS:
        keep = np.unique(np.searchsorted(recall, np.linspace(recall[0], recall[-1], POINTS)))
        recall, precision = recall[keep], precision[keep]
    return recall, precision


def _bars(axes: Axes, ticks: Sequence[str], values: Mapping[str, Sequence[Sequence[float]]]) -> None:
    """Horizontal bars in groups; each value is a list over members, drawn as mean and standard deviation."""
    width = 0.8 / len(values)
    longest = 0.0
    for number, (label, groups) in enumerate(values.items()):
        places = np.arange(len(ticks)) + (number - (len(values) - 1) / 2) * width
        table = np.asarray(groups, dtype=float)
        means, errors = table.mean(axis=1), table.std(axis=1)
        axes.barh(places, np.nan_to_num(means), width * 0.92, color=PALETTE[number % len(PALETTE)], label=label)
        if table.shape[1] > 1:
            axes.errorbar(means, places, xerr=errors, fmt="none", ecolor="black", elinewidth=0.9)
        for place, mean, error in zip(places, means, errors, strict=True):
            text = "--" if np.isnan(mean) else f"{mean:.3f}" if mean < 10 else f"{mean:.1f}"
            axes.annotate(
                text,
                (np.nan_to_num(mean + error), place),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
                zorder=4,
            )
        longest = max(longest, float(np.nan_to_num(means + errors).max()))
    axes.set_xlim(0, longest * 1.15 if longest > 0 else 1.0)
    axes.set_yticks(range(len(ticks)), labels=ticks, fontsize=9)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)

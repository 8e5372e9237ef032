"""Figures of what the attention does, over all minisets and members: by recycle, by term, against the gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float

from pyg_gears.report.figure_style import OTHER, PALETTE, legend_below, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pyg_gears.lab.probes.attention_probe import AttentionProbeOutput
    from pyg_gears.lab.probes.diagnosis_numbers import SlideDiagnosis

TERMS = {"gate": PALETTE[0], "qk": PALETTE[1], "geo": PALETTE[2], "pair": PALETTE[3], "total": "black"}
FAMILIES = {"neighbors": "kNN", "ring": "ring", "landmarks": "landmarks", "all": "all pairs"}
HEALTHY = {"recall": (0.4, 1.0), "entropy": (2.5, 3.1), "logit_std": (2.0, 10.0)}


class Curve(NamedTuple):
    """A quantity by recycle: each head of each member, their mean, and the spread over minisets, heads and members."""

    each: Float[np.ndarray, "lines recycles"]
    mean: Float[np.ndarray, " recycles"]
    spread: Float[np.ndarray, " recycles"]


def attention_figures(slides: Sequence[SlideDiagnosis]) -> dict[str, Figure]:
    """Every figure of the attention, by file name without suffix; a row or a column a slide, scales shared.

    Args:
        slides: What the probes found.

    Returns:
        Matplotlib figures, not attached to any window.

    Raises:
        ImportError: without matplotlib.
    """
    return {
        "attention_by_recycle": recycle_figure(slides),
        "logit_terms": term_figure(slides),
        "gradient_alignment": alignment_figure(slides),
    }


def pooled(means: Sequence[np.ndarray], spreads: Sequence[np.ndarray]) -> Curve:
    """Pool members (and heads, the last axis of two): the mean, and the standard deviation over minisets and all of them.

    The variance of a mixture: the mean variance over minisets plus the variance of the means. What is NaN is left out.

    Args:
        means: Mean over minisets of each member, shape (recycles,) or (recycles, heads) each.
        spreads: Standard deviation over minisets, of the same shapes.
    """
    each, within = (
        np.concatenate([np.reshape(value, (len(value), -1)) for value in values], axis=1).T
        for values in (means, spreads)
    )
    known = ~np.isnan(each)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = np.where(known, each, 0.0).sum(axis=0) / count
        variance = np.where(known, (each - mean) ** 2 + within**2, 0.0).sum(axis=0) / count
    return Curve(each, mean, np.sqrt(variance))


def recycle_figure(slides: Sequence[SlideDiagnosis]) -> Figure:
    """Recall, entropy, spread of the logits and movement by recycle; a row a slide, columns share their scale."""
    k = slides[0].members[0].attention.k
    columns: dict[str, tuple[str, Callable[[AttentionProbeOutput], tuple[np.ndarray, np.ndarray]]]] = {
        "recall": (f"recall@{k} of true neighbours", lambda a: (a.recall, a.recall_spread)),
        "entropy": ("entropy (nats)", lambda a: (a.entropy, a.entropy_spread)),
        "logit_std": ("std of the logits", lambda a: (a.logit_std["total"], a.logit_std_spread["total"])),
        "step": ("movement |dx| / sqrt(n)", lambda a: (a.step, a.step_spread)),
    }
    figure = new_figure(12.4, 0.9 + 2.5 * len(slides))
    panels = figure.subplots(len(slides), len(columns), sharex=True, sharey="col", squeeze=False)
    tops = [1.0, 3.3, 3.0, 0.0]  # high enough to show where the healthy ranges begin
    for place, (row, slide) in enumerate(zip(panels, slides, strict=True)):
        for number, (axes, (name, (title, read))) in enumerate(zip(row, columns.items(), strict=True)):
            curve = pooled(*zip(*(read(member.attention) for member in slide.members), strict=True))
            _draw_curve(axes, curve, PALETTE[0], "mean", each=name != "step")
            if name != "recall":
                highest = np.concatenate([(curve.mean + curve.spread)[None], curve.each])
                tops[number] = max(tops[number], 1.05 * float(np.nanmax(highest)))
            if name in HEALTHY:
                axes.axhspan(*HEALTHY[name], color=PALETTE[2], alpha=0.12, lw=0, zorder=0, label="healthy range")
            if name == "recall":
                ceiling = float(np.mean([member.attention.candidate_recall for member in slide.members]))
                axes.axhline(ceiling, color=PALETTE[4], lw=1.2, ls=":", label="true neighbours that are candidates")
            if place == 0:
                axes.set_title(title, fontsize=10)
            _recycle_ticks(axes, len(curve.mean), last=place == len(slides) - 1)
        row[0].set_ylabel(slide_label(slide))
    for axes, height in zip(panels[0], tops, strict=True):
        axes.set_ylim(0, height)
    legend_below(figure, panels[0], order=("mean", "one head", "std over minisets, heads, models", "healthy range"))
    return figure


def term_figure(slides: Sequence[SlideDiagnosis]) -> Figure:
    """Scale of each term of the logits, and how closely attention follows it, by recycle; a column a slide."""
    figure = new_figure(1.2 + 3.4 * len(slides), 5.8)
    panels = figure.subplots(2, len(slides), sharex=True, sharey="row", squeeze=False)
    for column, slide in enumerate(slides):
        probes = [member.attention for member in slide.members]
        for name, color in TERMS.items():
            scale = pooled([p.logit_std[name] for p in probes], [p.logit_std_spread[name] for p in probes])
            label = "all terms" if name == "total" else name
            # A term that the model does not have is zero everywhere.
            if np.nanmax(scale.mean, initial=0.0) > 0:
                _draw_curve(panels[0, column], scale, color, label, each=False)
            if name in probes[0].spearman:
                rank = pooled([p.spearman[name] for p in probes], [p.spearman_spread[name] for p in probes])
                if not np.isnan(rank.mean).all():
                    _draw_curve(panels[1, column], rank, color, label, each=False)
        panels[1, column].axhline(0.0, color="black", lw=0.8)
        panels[0, column].set_title(slide_label(slide), fontsize=10)
        for row, axes in enumerate(panels[:, column]):
            _recycle_ticks(axes, len(probes[0].step), last=row == 1)
    panels[0, 0].set_ylabel("std within a node's candidates")
    panels[1, 0].set_ylabel("Spearman with attention")
    panels[0, 0].set_ylim(bottom=0)
    legend_below(figure, panels[0], skip="std over minisets, heads, models")
    figure.suptitle("terms of the attention logits\n(band: std over minisets, heads, models)", fontsize=11)
    return figure


def alignment_figure(slides: Sequence[SlideDiagnosis]) -> Figure:
    """Does attention go where the loss would move pairs? By family of pairs; a column a slide."""
    from matplotlib import colormaps

    figure = new_figure(2.2 + 3.8 * len(slides), 6.2)
    panels = figure.subplots(2, len(slides), sharex=True, sharey="row", squeeze=False)
    places = np.arange(len(FAMILIES))
    for (rank_axes, share_axes), slide in zip(panels.T, slides, strict=True):
        records = [member.alignment for member in slide.members]
        curves = [pooled([r.spearman[f] for r in records], [r.spread[f] for r in records]) for f in FAMILIES]
        recycles = len(curves[0].mean)
        width = 0.8 / recycles
        for recycle in range(recycles):
            color = colormaps["cividis"](recycle / max(recycles - 1, 1) * 0.9)
            heights, errors = (
                np.nan_to_num([getattr(c, part)[recycle] for c in curves]) for part in ("mean", "spread")
            )
            where = places + (recycle - (recycles - 1) / 2) * width
            rank_axes.bar(where, heights, width * 0.92, color=color, label=f"recycle {recycle + 1}")
            rank_axes.errorbar(where, heights, errors, fmt="none", ecolor="#555555", elinewidth=0.8)
        shares = {
            "attention mass, last recycle": [np.mean([r.attention[f][-1].mean() for r in records]) for f in FAMILIES],
            "share of |dL/dd|, last recycle": [np.mean([r.gradient[f][-1] for r in records]) for f in FAMILIES],
            "share of its pairs that are candidates": [np.mean([r.coverage[f] for r in records]) for f in FAMILIES],
        }
        for number, (label, values) in enumerate(shares.items()):
            where = places + (number - 1) * 0.27
            share_axes.bar(
                where, np.nan_to_num(values), 0.25, color=(PALETTE[0], PALETTE[1], OTHER)[number], label=label
            )
            for x, value in zip(where, values, strict=True):
                share_axes.text(x, np.nan_to_num(value) + 0.01, f"{value:.2f}", ha="center", fontsize=7)
        rank_axes.axhline(0.0, color="black", lw=0.8)
        rank_axes.set_title(slide_label(slide), fontsize=10)
        share_axes.set_xticks(places, labels=list(FAMILIES.values()), fontsize=9)
        share_axes.set_ylim(0, 1.12)
        for axes in (rank_axes, share_axes):
            axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel("Spearman of attention with |dL/dd|")
    panels[1, 0].set_ylabel("share")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=9)
    legend_below(figure, panels[1], columns=1 if len(slides) == 1 else 3)
    figure.suptitle(
        "attention against the gradient of E_geo\n(whiskers: std over minisets, heads, models)", fontsize=11
    )
    return figure


def _draw_curve(axes: Axes, curve: Curve, color: str, label: str, *, each: bool) -> None:
    x = np.arange(1, len(curve.mean) + 1)
    if each:
        for number, line in enumerate(curve.each):
            axes.plot(x, line, color=OTHER, lw=0.9, zorder=2, label="one head" if number == 0 else None)
    low, high = curve.mean - curve.spread, curve.mean + curve.spread
    band = "std over minisets, heads, models"
    axes.fill_between(x, low, high, color=color, alpha=0.15, lw=0, zorder=1, label=band)
    axes.plot(x, curve.mean, color=color, lw=2.0, marker="o", ms=4, zorder=4, label=label)


def _recycle_ticks(axes: Axes, recycles: int, *, last: bool) -> None:
    axes.set_xticks(range(1, recycles + 1))
    axes.spines[["top", "right"]].set_visible(False)
    if last:
        axes.set_xlabel("recycle")


def slide_label(slide: SlideDiagnosis, *, lines: int = 2) -> str:
    """Name of the slide and whether the model has seen it."""
    return f"{slide.name}{' ' if lines == 1 else chr(10)}({slide.status})"

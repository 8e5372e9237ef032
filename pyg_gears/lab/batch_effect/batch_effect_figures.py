"""Figures of a batch-effect report: how far slides differ, what corrections leave, what of the tissue is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_gears.lab.batch_effect.comparison_rows import CORRECTIONS
from pyg_gears.report.figure_style import OTHER, PALETTE, new_figure, point_size
from pyg_gears.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEEN, UNSEEN = OTHER, PALETTE[0]
BARS = {"fitted": ("fitted on all slides", SEEN), "held_out": ("slide not seen by the fit", UNSEEN)}


def batch_effect_figures(
    report: Mapping[str, Any], pictures: Mapping[str, FloatArray], labels: IntArray
) -> dict[str, Figure]:
    """Every figure that the report allows, by file name without suffix.

    Args:
        report: The report, with None for what is not defined.
        pictures: "raw" and "centred" -> two components of every spot, shape (n, 2).
        labels: Number of the slide of each spot, shape (n,).

    Returns:
        Matplotlib figures, not attached to any window.

    Raises:
        ImportError: without matplotlib.
    """
    names = [slide["name"] for slide in report["slides"]]
    figures = {
        "slide_probe": probe_figure(report),
        "probe_after_removal": removal_figure(report),
        "neighbor_overlap": per_slide_figure(report["rows"], names, "overlap", "overlap@20 with physical neighbours"),
        "norms": per_slide_figure(report["rows"], names, "norm", "mean norm / mean over slides"),
        "principal_angles": angle_figure(report["principal_angles"]["halves"], names),
        "pca_by_slide": picture_figure(pictures, labels, names),
    }
    if report["cell_gaps"]:
        figures["cells_and_spots"] = gap_figure(report["cell_gaps"])
    return figures


def probe_figure(report: Mapping[str, Any]) -> Figure:
    """Slide probe of the four corrections of PCA-50, over all spots and inside clusters, with chance."""
    figure = new_figure(12.5, 3.8)
    kinds = {
        "probe": "linear, all spots",
        "probe_squares": "with squares, all spots",
        "within_cluster": "linear, inside clusters of like spots",
    }
    panels = figure.subplots(1, 3, sharey=True)
    for axes, (key, title) in zip(panels, kinds.items(), strict=True):
        rows = {name: report["rows"][name]["summary"] for name in CORRECTIONS}
        values = {kind: [(row[kind] or {}).get(key) for row in rows.values()] for kind in BARS}
        _grouped_bars(axes, [name.removesuffix(" PCA-50") for name in rows], values)
        axes.axhline(report["chance"], color="black", lw=0.8, ls="--", label="chance")
        if key == "probe":
            accuracy = report["qc_probe"]["accuracy"]
            axes.axhline(accuracy, color=PALETTE[4], lw=1.2, ls=":", label="quality control alone")
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.08)
    panels[0].set_ylabel("slide probe on PCA-50")
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def removal_figure(report: Mapping[str, Any]) -> Figure:
    """Slide probe of the raw embedding without the genes that differ most between slides."""
    figure = new_figure(5.2, 3.8)
    axes = figure.subplots()
    counts = [str(row["removed"]) for row in report["removal"]]
    for kind, (label, color) in BARS.items():
        axes.plot(counts, [row[kind] for row in report["removal"]], marker="o", color=color, label=label)
    axes.axhline(report["chance"], color="black", lw=0.8, ls="--", label="chance")
    axes.set(
        xlabel="genes removed, largest difference between slides first",
        ylabel="balanced accuracy",
        title="slide probe on raw PCA-50",
        ylim=(0, 1.05),
    )
    _plain_axes(axes)
    axes.legend(frameon=False, fontsize=9)
    return figure


def per_slide_figure(rows: Mapping[str, Any], names: Sequence[str], key: str, label: str) -> Figure:
    """One line an embedding, one mark a slide: hollow where the fit saw the slide, solid where it did not."""
    figure = new_figure(7.2, 1.6 + 0.36 * len(rows))
    axes = figure.subplots()
    for line, row in enumerate(rows.values()):
        for record, hollow in [(row["fitted"], True), *((fold, False) for fold in row["folds"])]:
            if record is None:
                continue
            scores = {name: record["slides"][name][key] for name in names}
            scale = float(np.mean(list(scores.values()))) if key == "norm" else 1.0
            shown = [name for name in names if (name not in record["held_out"]) == hollow]
            for name in shown:
                color = _color(names.index(name))
                face = "none" if hollow else color
                shift = -0.14 if hollow else 0.14
                axes.scatter(
                    scores[name] / scale, line + shift, s=34, facecolors=face, edgecolors=color, lw=1.3, zorder=3
                )
    axes.set_yticks(range(len(rows)), labels=list(rows))
    axes.invert_yaxis()
    axes.grid(axis="y", color="#EEEEEE", lw=6, zorder=0)
    axes.set_axisbelow(True)
    axes.set(xlabel=label)
    if key == "norm":
        axes.axvline(1.0, color="black", lw=0.8, ls="--")
    else:
        axes.set_xlim(left=0)
    _plain_axes(axes)
    _slide_legend(figure, names, marks=True)
    return figure


def angle_figure(halves: Sequence[Sequence[float]], names: Sequence[str]) -> Figure:
    """Mean principal angle between halves of slides; the diagonal shows what sampling alone does."""
    size = 2.6 + 0.55 * min(len(names), 14)
    figure = new_figure(size + 0.6, size)
    axes = figure.subplots()
    image = axes.imshow(halves, cmap="cividis", vmin=0, vmax=90)
    figure.colorbar(image, ax=axes, shrink=0.85, label="degrees")
    axes.set_xticks(range(len(names)), labels=names, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(names)), labels=names, fontsize=8)
    axes.set_title("mean principal angle of leading components\n(half of one slide to half of the other)", fontsize=10)
    if len(names) <= 8:
        for i, row in enumerate(halves):
            for j, value in enumerate(row):
                color = "white" if value < 45 else "black"
                axes.text(j, i, f"{value:.1f}", ha="center", va="center", fontsize=9, color=color)
    return figure


def picture_figure(pictures: Mapping[str, FloatArray], labels: IntArray, names: Sequence[str]) -> Figure:
    """First two components of every spot, coloured by slide, before and after centring each slide."""
    figure = new_figure(4.2 * len(pictures), 4.3)
    order = np.random.default_rng(0).permutation(len(labels))  # no slide drawn on top of the others
    colors = np.array([_color(number) for number in labels])[order]
    for axes, (title, points) in zip(
        figure.subplots(1, len(pictures), squeeze=False)[0], pictures.items(), strict=True
    ):
        axes.scatter(*points[order].T, s=point_size(len(labels)), c=colors, lw=0, alpha=0.7)
        axes.set(title=f"{title} expression", xlabel="component 1", ylabel="component 2", xticks=[], yticks=[])
        _plain_axes(axes)
    _slide_legend(figure, names, marks=False)
    return figure


def gap_figure(gaps: Mapping[str, Any]) -> Figure:
    """Domain probes and neighbour entropy of cells and spots before and after the adapter, with their floor and ceiling."""
    figure = new_figure(2.6 + 2.2 * len(gaps), 7.0)
    panels = figure.subplots(3, 1, sharex=True)
    ticks = [f"{name}\n{when}" for name in gaps for when in ("before", "after")]
    kinds = {"fitted": ("to training spots", SEEN), "held_out": ("to spots of unseen slides", UNSEEN)}
    for axes, key, title in zip(
        panels,
        ("probe", "probe_squares", "entropy"),
        ("cell or spot? linear probe", "the same with squares", "kNN entropy (higher is better mixed)"),
        strict=True,
    ):
        values = {
            kind: [(gap[kind] or {}).get(when, {}).get(key) for gap in gaps.values() for when in ("before", "after")]
            for kind in kinds
        }
        _grouped_bars(axes, ticks, values, kinds)
        ideal = 0.5 if key != "entropy" else next(iter(gaps.values()))["floor"]["entropy_mixed"]
        axes.axhline(ideal, color="black", lw=0.8, ls="--", label="indistinguishable")
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.12)
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _grouped_bars(
    axes: Axes,
    ticks: Sequence[str],
    values: Mapping[str, Sequence[float | None]],
    kinds: Mapping[str, tuple[str, str]] = BARS,
) -> None:
    width = 0.8 / len(kinds)
    for number, (kind, (label, color)) in enumerate(kinds.items()):
        places = np.arange(len(ticks)) + (number - (len(kinds) - 1) / 2) * width
        heights = [value if value is not None else 0.0 for value in values[kind]]
        axes.bar(places, heights, width * 0.94, color=color, label=label)
        for place, value in zip(places, values[kind], strict=True):
            text = "--" if value is None else f"{value:.2f}"
            # On white, so that the line of chance does not cross the number.
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            axes.text(place, (value or 0.0) + 0.02, text, ha="center", va="bottom", fontsize=8, bbox=box, zorder=4)
    axes.set_xticks(range(len(ticks)), labels=ticks, fontsize=9)
    _plain_axes(axes)


def _plain_axes(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _color(number: int) -> str:
    return PALETTE[number % len(PALETTE)]


def _slide_legend(figure: Figure, names: Sequence[str], *, marks: bool) -> None:
    """The slides' colours; with many slides colours repeat, and only the meaning of the marks is told."""
    from matplotlib.lines import Line2D

    few = names if len(names) <= len(PALETTE) else ()
    style: dict[str, Any] = {"ls": "none", "marker": "o", "ms": 6}
    handles = [Line2D([], [], color=_color(i), label=name, **style) for i, name in enumerate(few)]
    if marks:
        handles += [
            Line2D([], [], color="black", markerfacecolor="none", label="seen by the fit", **style),
            Line2D([], [], color="black", label="not seen", **style),
        ]
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=min(len(handles), 5), frameon=False, fontsize=9
        )

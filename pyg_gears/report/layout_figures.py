"""Figures of one layout: what it looks like, where it is right, and how it compares with the rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from pyg_gears.geometry import morton_order
from pyg_gears.metrics import PurityOutput, align, layout_morans_i, layout_pair, pair_distances
from pyg_gears.metrics.layout_pair import in_gauge
from pyg_gears.report.comparison_figures import (
    calibration_figure,
    comparison_figure,
    local_rmse_figure,
    roc_figure,
)
from pyg_gears.report.figure_style import (
    OTHER,
    PALETTE,
    bare,
    line_axes,
    new_figure,
    panel_height,
    point_size,
    scatter,
)
from pyg_gears.report.solve_residuals import solve_residuals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MATRIX_CELLS = 500
FIGURE_GENES = 3
LOG_COUNTS = "log1p of counts per 10,000"


def layout_figures(
    report: Mapping[str, Any],
    layouts: Mapping[str, Float[np.ndarray, "n 2"]],
    truth: Float[np.ndarray, "n 2"] | None,
    confidence: Float[np.ndarray, " n"],
    genes: tuple[Sequence[str], Float[np.ndarray, "n p"]],
    labels: np.ndarray | None,
    communities: PurityOutput | None,
    distances: Any,
    seed: int,
) -> dict[str, Figure]:
    """Every figure that the data allow, by file name without suffix.

    Args:
        report: Report of the evaluation, with ``methods``.
        layouts: Method -> layout, ours first.
        truth: True positions, or None.
        confidence: Confidence of our layout.
        genes: Names and expression of candidate genes; the most regional ones are drawn.
        labels: Cell types, or None.
        communities: Communities of our layout with their types, or None.
        distances: Sparse distances that the layout was solved from, or None.
        seed: Seed of the pairs and cells that are drawn.

    Returns:
        Matplotlib figures, not attached to any window.

    Raises:
        ImportError: without matplotlib.
    """
    pos = next(iter(layouts.values()))
    figures = {"layout_confidence": value_figure(pos, confidence, "confidence", "cividis", limits=(0.0, 1.0))}
    figures["layout_genes"] = gene_figure(pos, truth, *genes)
    if labels is not None:
        figures["layout_types"] = type_figure(pos, labels, "cell types")
    if communities is not None:
        names = [f"{row.majority} {row.purity:.0%} ({number})" for number, row in enumerate(communities.table)]
        figures["layout_communities"] = type_figure(pos, np.array(names)[communities.community], "communities")
    if distances is not None and distances.nnz:
        figures["solve_residuals"] = residual_figure(pos, distances)
    if truth is not None:
        figures["true_and_predicted"] = truth_figure(pos, truth)
        figures["distance_distortion"] = distortion_figure(pos, truth, seed=seed)
        figures["calibration"] = calibration_figure(layouts, truth, seed=seed)
        figures["edge_roc"] = roc_figure(layouts, truth, seed=seed)
        figures["local_rmse"] = local_rmse_figure(report["methods"])
        figures["comparison"] = comparison_figure(report["methods"])
    return figures


def value_figure(
    pos: Float[np.ndarray, "n 2"],
    values: Float[np.ndarray, " n"],
    title: str,
    colors: str,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """The layout coloured by one number per cell, low values drawn first; ``limits`` fix the ends of the colours."""
    figure = new_figure(5.2, panel_height(4.2, pos))
    scatter(figure.subplots(), pos, values, title, colors, limits=limits)
    return figure


def type_figure(pos: Float[np.ndarray, "n 2"], labels: np.ndarray, title: str) -> Figure:
    """The layout coloured by label: the seven most frequent ones, the rest in grey."""
    figure = new_figure(6.4, max(panel_height(4.6, pos), 2.6))
    axes = figure.subplots()
    names, count = np.unique(labels, return_counts=True)
    frequent = names[np.argsort(-count, kind="stable")][: len(PALETTE)]
    rest = ~np.isin(labels, frequent)
    if rest.any():
        axes.scatter(
            pos[rest, 0],
            pos[rest, 1],
            s=point_size(len(pos)),
            c=OTHER,
            lw=0,
            label=f"{len(names) - len(frequent)} others",
        )
    for color, name in zip(PALETTE, frequent, strict=False):
        x, y = pos[labels == name].T
        axes.scatter(x, y, s=point_size(len(pos)), c=color, lw=0, label=str(name))
    bare(axes, title)
    # Of the figure, not of the axes: their equal aspect leaves the layout too little room for a long name.
    figure.legend(loc="outside right center", frameon=False, markerscale=2, fontsize=9)
    return figure


def gene_figure(
    pos: Float[np.ndarray, "n 2"],
    truth: Float[np.ndarray, "n 2"] | None,
    names: Sequence[str],
    expression: Float[np.ndarray, "n p"],
) -> Figure:
    """The genes with the largest Moran's I, of which no two are nearly the same, on the layout and (below) on the truth."""
    chosen = _distinct(np.nan_to_num(layout_morans_i(pos if truth is None else truth, expression)), expression)
    rows = [("layout", pos)] if truth is None else [("layout", drawn_together(pos, truth)[0]), ("truth", truth)]
    figure = new_figure(3.6 * len(chosen), panel_height(2.8, *(where for _, where in rows)) * len(rows))
    for panels, (title, where) in zip(figure.subplots(len(rows), len(chosen), squeeze=False), rows, strict=True):
        for axes, gene in zip(panels, chosen, strict=True):
            scatter(axes, where, expression[:, gene], f"{names[gene]}, {title}", "viridis", unit=LOG_COUNTS)
    return figure


def truth_figure(pos: Float[np.ndarray, "n 2"], truth: Float[np.ndarray, "n 2"]) -> Figure:
    """True and predicted positions after Procrustes, each cell coloured by where it truly is along two axes."""
    aligned, true = drawn_together(pos, truth)
    figure = new_figure(8.6, 2 * panel_height(4.2, np.concatenate([aligned, true])))
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for row, (axis, colors) in enumerate((("horizontal", "viridis"), ("vertical", "plasma"))):
        for axes, where, title in ((panels[row, 0], true, "truth"), (panels[row, 1], aligned, "predicted, aligned")):
            scatter(axes, where, true[:, row], f"{title}: colour = true {axis} position", colors, bar=False)
    return figure


def distortion_figure(pos: Float[np.ndarray, "n 2"], truth: Float[np.ndarray, "n 2"], *, seed: int) -> Figure:
    """Heat map of ``|log(a D / D*)|`` for all pairs of up to 500 cells, in Morton order of the true positions."""
    distortion = distance_distortion(pos, truth, seed=seed)
    figure = new_figure(5.8, 4.8)
    axes = figure.subplots()
    image = axes.imshow(distortion, cmap="cividis", vmin=0, vmax=np.percentile(distortion, 98), interpolation="nearest")
    figure.colorbar(image, ax=axes, label="|log(predicted / true distance)|", extend="max")
    axes.set(
        xlabel="cell, in Morton order of its true position",
        ylabel="cell, in the same order",
        title=f"distance distortion (median {np.median(distortion[np.triu_indices(len(distortion), 1)]):.2f})",
    )
    return figure


def distance_distortion(
    pos: Float[np.ndarray, "n 2"], truth: Float[np.ndarray, "n 2"], *, seed: int
) -> Float[np.ndarray, "m m"]:
    """``|ln(a D / D*)|`` for all pairs of up to 500 cells drawn by the seed, in Morton order of the true positions."""
    pair = layout_pair(pos, truth)
    scale = pair_distances(pair, seed=seed).scale
    keep = np.random.default_rng(seed).permutation(len(truth))[:MATRIX_CELLS]
    keep = keep[morton_order(pair.truth[keep])]
    predicted, true = (np.linalg.norm(x[keep, None] - x[None, keep], axis=2) for x in (pair.pos, pair.truth))
    tiny = 1e-6
    distortion = np.abs(np.log(np.maximum(scale * predicted, tiny) / np.maximum(true, tiny)))
    np.fill_diagonal(distortion, 0.0)
    return distortion


def residual_figure(pos: Float[np.ndarray, "n 2"], distances: Any) -> Figure:
    """Histogram of layout distance minus the distance it was solved for, over the stored pairs."""
    residual, distance = solve_residuals(pos, distances)
    figure, axes = line_axes(
        "layout distance - solved-for distance (RMS radii)", "pairs", "residuals of the global solve"
    )
    span = max(float(np.percentile(np.abs(residual), 99)), 1e-9)
    axes.hist(residual, bins=61, range=(-span, span), color=PALETTE[0], lw=0)
    axes.axvline(0.0, color="black", lw=0.8, ls="--")
    note = (
        f"median |residual| {np.median(np.abs(residual)):.3g}\nmedian distance {np.median(distance):.3g}\n"
        f"beyond this range {np.mean(np.abs(residual) > span):.1%}"
    )
    axes.text(0.98, 0.96, note, transform=axes.transAxes, ha="right", va="top", fontsize=9)
    return figure


def drawn_together(
    pos: Float[np.ndarray, "n 2"], truth: Float[np.ndarray, "n 2"]
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    """Prediction turned (or mirrored) onto the truth, both at RMS radius 1: the best scale shrinks a poor one."""
    aligned, true = align(pos, truth)
    return in_gauge(aligned), true


def _distinct(score: Float[np.ndarray, " p"], expression: Float[np.ndarray, "n p"]) -> list[int]:
    """The highest scores whose columns correlate less than 0.7 with those chosen before, as many as a figure holds."""
    chosen: list[int] = []
    centred = expression - expression.mean(axis=0)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=0), 1e-12)
    correlation = unit.T @ unit
    for gene in np.argsort(-score, kind="stable"):
        if len(chosen) < FIGURE_GENES and all(abs(correlation[gene, other]) < 0.7 for other in chosen):
            chosen.append(int(gene))
    return chosen

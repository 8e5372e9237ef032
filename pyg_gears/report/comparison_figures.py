"""Figures that compare a layout with the rivals: calibration, edge ROC, local error, headline metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from pyg_gears.metrics import BETTER, calibration_curve, layout_pair, pair_distances, roc_curve
from pyg_gears.metrics.calibration import SCALES
from pyg_gears.report.evaluation_table import TITLES
from pyg_gears.report.figure_style import OTHER, PALETTE, line_axes, line_styles, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADLINE = ("spearman", "stress_1", "trust_20", "cont_20", "edge_auc", "shell_f1", "recall_15", "procrustes")


def calibration_figure(
    layouts: Mapping[str, Float[np.ndarray, "n 2"]], truth: Float[np.ndarray, "n 2"], *, seed: int
) -> Figure:
    """Mean true distance against predicted distance; on the diagonal distances are calibrated."""
    figure, axes = line_axes(
        "predicted distance (optimal scale, RMS radii)", "mean true distance (RMS radii)", "calibration"
    )
    curves = {name: calibration_curve(layout_pair(pos, truth), seed=seed) for name, pos in layouts.items()}
    end = max(float(max(curve.predicted.max(), curve.true.max())) for curve in curves.values()) * 1.04
    axes.plot([0, end], [0, end], color="black", lw=0.8, ls="--", label="perfect")
    for style, (name, curve) in zip(line_styles(), curves.items(), strict=False):
        axes.plot(curve.predicted, curve.true, label=TITLES.get(name, name), marker="o", ms=3, **style)
    axes.set(xlim=(0, end), ylim=(0, end), aspect="equal")
    axes.legend(frameon=False, fontsize=9)
    return figure


def roc_figure(
    layouts: Mapping[str, Float[np.ndarray, "n 2"]], truth: Float[np.ndarray, "n 2"], *, seed: int
) -> Figure:
    """ROC curves of finding the pairs within the true 20-neighbour radius by predicted distance."""
    figure, axes = line_axes("false positive rate", "true positive rate", "pairs within the 20-neighbour radius")
    axes.plot([0, 1], [0, 1], color="black", lw=0.8, ls="--", label="chance")
    for style, (name, pos) in zip(line_styles(), layouts.items(), strict=False):
        pair = layout_pair(pos, truth)
        curve = roc_curve(pair, pair_distances(pair, seed=seed))
        if curve.true_positive.size:
            grid = np.linspace(0, 1, 400) ** 2
            rate = np.interp(grid, curve.false_positive, curve.true_positive)
            area = np.sum(np.diff(grid) * (rate[1:] + rate[:-1]) / 2)
            axes.plot(grid, rate, label=f"{TITLES.get(name, name)} ({area:.3f})", **style)
    axes.set(xlim=(0, 1), ylim=(0, 1.01), aspect="equal")
    axes.legend(frameon=False, fontsize=9, title="area", loc="lower right")
    return figure


def local_rmse_figure(methods: Mapping[str, Mapping[str, float]]) -> Figure:
    """Relative error of distances in true neighbourhoods against their size."""
    figure, axes = line_axes("true neighbours k", "RMSE of distances / RMS true distance", "local error by scale")
    for style, (name, scores) in zip(line_styles(), methods.items(), strict=False):
        values = [scores[f"local_rmse_{k}"] for k in SCALES]
        axes.plot(SCALES, values, label=TITLES.get(name, name), marker="o", ms=4, **style)
    axes.set_xscale("log")
    axes.set_xticks(SCALES, labels=[str(k) for k in SCALES])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    return figure


def comparison_figure(methods: Mapping[str, Mapping[str, float]]) -> Figure:
    """One panel per headline metric, one bar per method, ours in colour; the best value is bold."""
    figure = new_figure(10.5, 1.6 + 0.55 * len(methods))
    labels = [TITLES.get(name, name) for name in methods]
    for axes, key in zip(figure.subplots(2, 4, sharey=True).flat, HEADLINE, strict=True):
        values = np.array([scores[key] for scores in methods.values()])
        known = np.nan_to_num(values, nan=-np.inf if BETTER[key] == "up" else np.inf)
        best = known.max() if BETTER[key] == "up" else known.min()
        bars = axes.barh(labels, np.nan_to_num(values), color=[PALETTE[0], *[OTHER] * (len(values) - 1)])
        for bar, value in zip(bars, values, strict=True):
            axes.text(
                bar.get_width(),
                bar.get_y() + bar.get_height() / 2,
                " --" if np.isnan(value) else f" {value:.3f}",
                va="center",
                fontsize=8,
                fontweight="bold" if value == best else "normal",
            )
        axes.set_title(f"{key} ({'higher' if BETTER[key] == 'up' else 'lower'} is better)", fontsize=9)
        axes.set_xlim(min(0.0, float(np.nanmin(values)) * 1.3), max(float(np.nanmax(values)), 1e-3) * 1.3)
        axes.tick_params(labelsize=9)
        axes.xaxis.set_visible(False)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.invert_yaxis()
    return figure

"""The figure of a grid: both energies of every run, variant by variant, runs of one fold and seed joined."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from pyg_gears.data.whole_file import whole_file
from pyg_gears.lab.experiments.experiment import PROTOCOLS, Experiment
from pyg_gears.lab.experiments.run_record import RunRecord, run_table
from pyg_gears.lab.experiments.table import HIGHER_IS_BETTER, MAIN
from pyg_gears.report.figure_style import OTHER, PALETTE, caption, new_figure


def draw_experiment(experiment: Experiment, records: Sequence[RunRecord], path: Path) -> None:
    """Draw every run as a dot, the mean of a variant as a bar, runs with the same protocol, fold and seed joined by a line.

    Args:
        experiment: The experiment; its variants, each with its protocols, are the rows from top to bottom.
        records: Its finished runs. One that diverged has no dot.
        path: PNG file to write; an SVG for print is written beside it.

    Raises:
        ImportError: without matplotlib.
    """
    runs = run_table(records)
    rows = [
        (variant.label, protocol)
        for variant in experiment.variants
        for protocol in PROTOCOLS
        if ((runs["variant"] == variant.label) & (runs["protocol"] == protocol)).any()
    ]
    runs["row"] = [rows.index(row) for row in zip(runs["variant"], runs["protocol"], strict=True)]
    color = dict(zip(runs["fold"].unique(), itertools.cycle(PALETTE)))
    figure = new_figure(12.0, 1.6 + 0.42 * len(rows))
    panels = figure.subplots(1, len(HIGHER_IS_BETTER), sharey=True)
    for axes, (name, higher) in zip(panels, HIGHER_IS_BETTER.items(), strict=True):
        known = runs.dropna(subset=[name]).sort_values("row") if name in runs else runs[:0].assign(**{name: []})
        for (_, fold, _), points in known.groupby(["protocol", "fold", "seed"]):
            axes.plot(points[name], points["row"], color=color[fold], lw=0.6, alpha=0.5, zorder=2)
            axes.scatter(points[name], points["row"], color=color[fold], s=18, lw=0, zorder=3)
        for row, mean in known.groupby("row")[name].mean().items():
            axes.plot([mean] * 2, [row - 0.32, row + 0.32], color="black", lw=2.2, zorder=4)
        for row in range(len(rows)):
            axes.axhline(row, color=OTHER, lw=0.4, zorder=1)
        axes.set_title(f"{MAIN[name]} ({'higher' if higher else 'lower'} is better)", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_yticks(range(len(rows)), [f"{label}, {protocol}" for label, protocol in rows])
    for fold in color:
        figure.axes[0].scatter([], [], color=color[fold], s=18, label=fold)
    figure.legend(
        loc="outside lower center", ncols=max(1, min(6, len(color))), frameon=False, fontsize=9, title="held out"
    )
    figure.suptitle(experiment.name, fontsize=11)
    caption(figure, f"{len(runs)} runs, a dot each; bar: mean of a variant; each slide held out in turn is a colour")
    for target, metadata in ((path, {}), (path.with_suffix(".svg"), {"Date": None})):
        with whole_file(target) as part:
            figure.savefig(part, dpi=150, metadata=metadata)

"""The figure of the bench: quality and cost of each model as dots, the coordinate MLP as a line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pyg_gears.data.whole_file import whole_file
from pyg_gears.lab.models.bench_table import alone
from pyg_gears.lab.models.contenders import BASELINE
from pyg_gears.report.figure_style import OTHER, PALETTE, caption, new_figure

PANELS = {
    "E_geo H-gate": "lower is better",
    "Spearman": "higher is better",
    "Trust@20": "higher is better",
    "diversity": "samples of one miniset",
    "CPU seconds": "training",
    "memory MB": "training",
}


def draw_bench(frame: pd.DataFrame, path: Path) -> None:
    """Draw the means of :func:`~pyg_gears.lab.models.bench_table.bench_frame`, a row a model.

    Args:
        frame: The means; an unknown number has no dot.
        path: PNG file to write.
    """
    figure = new_figure(13.0, 1.4 + 0.32 * len(frame))
    panels = figure.subplots(1, len(PANELS), sharey=True)
    for axes, (name, hint) in zip(panels, PANELS.items(), strict=True):
        for row, (kind, value) in enumerate(frame[name].items()):
            axes.axhline(row, color=OTHER, lw=0.4, zorder=1)
            axes.scatter([value], [row], color="black" if kind == BASELINE else PALETTE[0], s=26, lw=0, zorder=3)
        if BASELINE in frame.index and name in list(PANELS)[:3]:
            axes.axvline(frame.loc[BASELINE, name], color="black", lw=0.8, ls="--", zorder=2)
        axes.set_title(f"{name}\n({hint})", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(len(frame) - 0.5, -0.5)
        axes.set_yticks(range(len(frame)), list(frame.index))
    seeds = int(frame["seeds"].max()) if len(frame) else 0
    caption(
        figure,
        f"{len(alone(frame))} structure models, one budget, {seeds} seed{'s' if seeds != 1 else ''}; dashed: the coordinate "
        "MLP, which reads no graph. E_geo on the slide that chose the epoch, Spearman and Trust@20 on a section that no model "
        "has seen.",
    )
    with whole_file(path) as part:
        figure.savefig(part, dpi=150)

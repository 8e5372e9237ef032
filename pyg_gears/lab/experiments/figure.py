"""The figure of a grid: both energies of every run, variant by variant, runs of one fold and seed joined."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyg_gears.data.whole_file import whole_file
from pyg_gears.lab.experiments.experiment import Experiment
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.experiments.summary import summarise
from pyg_gears.report.figure_style import OTHER, PALETTE, new_figure

PANELS = {
    "h_gate": "H-gate: E_geo on gated candidates",
    "t_edge": "T-edge: E_geo on the true graph",
    "precision": "precision@30 of the gate",
}


def check_figures() -> None:
    """Check that figures can be drawn at all.

    Raises:
        ImportError: without matplotlib.
    """
    new_figure(1, 1)


def draw_experiment(experiment: Experiment, records: Sequence[RunRecord], path: Path) -> None:
    """Draw every run as a dot, the mean of a variant as a bar, runs with the same fold and seed joined by a line.

    Args:
        experiment: The experiment; its variants are the rows, from top to bottom.
        records: Its finished runs. One that diverged has no dot.
        path: PNG file to write.

    Raises:
        ImportError: without matplotlib.
    """
    labels = [variant.label for variant in experiment.variants]
    folds = list(dict.fromkeys(record.fold for record in records))
    color = {fold: PALETTE[number % len(PALETTE)] for number, fold in enumerate(folds)}
    means = {row.variant: row.mean for row in summarise(experiment, records) if row.fold is None}
    figure = new_figure(12.0, 1.6 + 0.42 * len(labels))
    for axes, (name, title) in zip(figure.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
        pairs: dict[tuple[str, int], list[tuple[float, int]]] = {}
        for record in records:
            value = record.values.get(name)
            if value is not None:
                pairs.setdefault((record.fold, record.seed), []).append((value, labels.index(record.variant)))
        for (fold, _), points in pairs.items():
            values, places = zip(*sorted(points, key=lambda point: point[1]), strict=True)
            axes.plot(values, places, color=color[fold], lw=0.6, alpha=0.5, zorder=2)
            axes.scatter(values, places, color=color[fold], s=18, lw=0, zorder=3)
        for place, label in enumerate(labels):
            if name in means[label]:
                axes.plot([means[label][name]] * 2, [place - 0.32, place + 0.32], color="black", lw=2.2, zorder=4)
            axes.axhline(place, color=OTHER, lw=0.4, zorder=1)
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_yticks(range(len(labels)), labels)
    for fold in folds:
        figure.axes[0].scatter([], [], color=color[fold], s=18, label=fold)
    figure.legend(
        loc="outside lower center", ncols=max(1, min(6, len(folds))), frameon=False, fontsize=9, title="held out"
    )
    figure.suptitle(experiment.name, fontsize=11)
    with whole_file(path) as part:
        figure.savefig(part, dpi=150)

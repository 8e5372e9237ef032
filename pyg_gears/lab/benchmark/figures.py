"""Figures of a comparison: distortion maps of all layouts, and scores inside and between the spots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pyg_gears.baselines.rivals import Layout
from pyg_gears.lab.benchmark.protocols import BETWEEN, INSIDE
from pyg_gears.lab.benchmark.scores import Row
from pyg_gears.metrics import distance_agreement, placed_cells
from pyg_gears.report.figure_style import OTHER, PALETTE, new_figure
from pyg_gears.report.layout_figures import distance_distortion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 4
LIMIT = math.log(4)


def draw_distortions(layouts: Mapping[str, Layout], truth: Layout, *, seed: int) -> Figure:
    """A map of ``|ln(a D / D*)|`` for each layout, all in the same colours; cells in Morton order of their true places.

    Args:
        layouts: Name -> layout, shape (n, 2); cells without a place are left out of its map.
        truth: True places, shape (n, 2).
        seed: Seed of the cells that are shown, of more than 500.
    """
    down = math.ceil(len(layouts) / ACROSS)
    figure = new_figure(2.6 * min(len(layouts), ACROSS) + 0.8, 2.75 * down)
    panels = figure.subplots(down, min(len(layouts), ACROSS), squeeze=False)
    for axes in panels.flat[len(layouts) :]:
        axes.set_visible(False)
    for axes, (name, pos) in zip(panels.flat, layouts.items(), strict=False):
        placed = placed_cells(pos)
        values = distance_distortion(pos[placed], truth[placed], seed=seed)
        image = axes.imshow(values, cmap="cividis", vmin=0, vmax=LIMIT, interpolation="nearest")
        rho = distance_agreement(pos[placed], truth[placed], seed=seed).spearman
        middle = np.median(values[np.triu_indices(len(values), 1)])
        axes.set_title(f"{name}\nmedian factor {math.exp(middle):.2f}, Spearman {rho:.2f}", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
    bar = figure.colorbar(
        image, ax=panels, label="predicted / true distance, off by a factor of", extend="max", shrink=0.8
    )
    bar.set_ticks([0, math.log(1.5), math.log(2), math.log(3), math.log(4)], labels=["1", "1.5", "2", "3", "4"])
    return figure


def draw_parts(rows: Sequence[Row]) -> Figure:
    """Spearman of every method on cells inside and between the spots, protocol by protocol: a dot a seed, the means joined.

    Of the scores only the correlations do not depend on the number of cells, so that the two parts can be compared.

    Args:
        rows: Scores; protocols without these parts are left out.
    """
    frame = pd.DataFrame([row.flat() for row in rows])
    frame = frame[frame["part"].isin([INSIDE, BETWEEN])]
    protocols, methods = list(frame["protocol"].unique()), list(frame["method"].unique())
    figure = new_figure(4.0 * len(protocols) + 1.2, 1.2 + 0.27 * len(methods))
    panels = figure.subplots(1, len(protocols), squeeze=False, sharey=True, sharex=True)[0]
    for axes, protocol in zip(panels, protocols, strict=True):
        own = frame[frame["protocol"] == protocol]
        means = own.groupby(["method", "part"])["spearman"].mean()
        for place, method in enumerate(methods):
            ends = [means.get((method, part), np.nan) for part in (INSIDE, BETWEEN)]
            axes.plot(ends, [place] * 2, color=OTHER, lw=1.5, zorder=2)
        for part, color in ((INSIDE, PALETTE[0]), (BETWEEN, PALETTE[1])):
            dots = own[own["part"] == part]
            heights = [methods.index(method) for method in dots["method"]]
            axes.scatter(dots["spearman"], heights, color=color, s=20, lw=0, zorder=3, label=f"cells {part} the spots")
        axes.axvline(0, color=OTHER, lw=0.6, zorder=1)
        axes.set_title(protocol, fontsize=10)
        axes.set_xlabel("Spearman of distances")
        axes.set_yticks(range(len(methods)), methods)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure

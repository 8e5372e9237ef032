"""The patch-size study: the same model and cells, laid out by patches from small ones to one that holds all cells."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from pyg_gears import __version__
from pyg_gears.baselines.rivals import Layout
from pyg_gears.data import Slide
from pyg_gears.errors import argument, expect
from pyg_gears.fitted_gears import FittedGears
from pyg_gears.lab.text_table import text_table
from pyg_gears.layout import LayoutSettings
from pyg_gears.metrics import distance_agreement, edge_agreement, neighborhood_agreement, placed_cells
from pyg_gears.report.figure_style import PALETTE, check_figures, new_figure, save_figure
from pyg_gears.report.report_folder import check_report_folder, plain, report_folder
from pyg_gears.seeds import random_stream
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST = 8
QUALITY = {
    "spearman": "Spearman",
    "pearson": "Pearson",
    "stress_1": "Stress-1",
    "edge_auc": "EdgeAUC",
    "edge_bap": "bAP",
    "trust_20": "Trust@20",
}
SOLVE = {"disagreement": "disagreement of overlapping patches", "stress": "stress of the solve"}


class PatchSizeRow(NamedTuple):
    """One layout.

    Attributes:
        size: Cells of a patch; all cells for the whole.
        patches: Number of patches.
        scores: The six metrics of the published study, by name.
        disagreement: Mean ``|ln D_p - ln D_q|`` of overlapping patches on shared pairs; NaN for one patch.
        stress: Weighted Stress-1 of the layout against the distances that it was solved from.
        seconds: Processor time.
    """

    size: int
    patches: int
    scores: dict[str, float]
    disagreement: float
    stress: float
    seconds: float


def patch_size_study(
    fitted: FittedGears,
    cells: Slide,
    truth: Layout,
    sizes: Sequence[int | None],
    out: FilePath,
    *,
    sample: int | None = None,
    seed: int = 0,
) -> list[PatchSizeRow]:
    """Lay the same cells out with patches of several sizes; write ``table.txt``, ``results.json`` and ``patch_sizes.png``.

    Args:
        fitted: The model.
        cells: Cells.
        truth: Their places, shape (n, 2).
        sizes: Cells per patch, each at least 8; None for all cells at once. Sizes of all cells or more are the same as None.
        out: New or empty folder; it appears whole or not at all.
        sample: Cells to use, drawn by the seed; all if omitted or fewer.
        seed: Seed of the sample and of every layout.

    Returns:
        A row for each size, in their order.

    Raises:
        InputError: for no size, one below 8, a sample below 30, truth of another shape, or a folder in use.
        ImportError: without matplotlib, before any work.
    """
    expect(
        len(sizes) > 0 and all(size is None or size >= LEAST for size in sizes),
        f"expected sizes of patches of at least {LEAST}, found {', '.join(map(str, sizes)) or 'none'}; "
        f"change {argument('sizes')}.",
    )
    expect(
        truth.shape == (len(cells), 2),
        f"{cells.name}: expected true places of {len(cells)} cells, found shape {truth.shape}; pass theirs.",
    )
    expect(sample is None or sample >= 30, f"expected a sample of at least 30 cells, found {sample}; raise it.")
    check_report_folder(out)
    check_figures()
    if sample is not None and sample < len(cells):
        chosen = np.sort(random_stream(seed, "sample").permutation(len(cells))[:sample])
        cells, truth = cells.select(chosen), truth[chosen]
    cells = replace(cells, pos=None)
    counts = list(dict.fromkeys(min(size or len(cells), len(cells)) for size in sizes))
    with report_folder(out) as folder:
        rows = [_row(fitted, cells, truth, size, seed) for size in counts]
        about = f"{cells.name}: {len(cells):,} cells; seed {seed}; version {__version__}"
        results: dict[str, Any] = {
            "version": __version__,
            "cells": len(cells),
            "seed": seed,
            "rows": [row._asdict() for row in rows],
        }
        (folder / "results.json").write_text(json.dumps(plain(results), indent=1) + "\n", encoding="utf-8")
        (folder / "table.txt").write_text(text_table(about, _table(rows)), encoding="utf-8")
        save_figure(draw_patch_sizes(rows), folder / "patch_sizes.png", about)
    return rows


def _row(fitted: FittedGears, cells: Slide, truth: Layout, size: int, seed: int) -> PatchSizeRow:
    start = time.process_time()
    found = fitted.reconstruct(cells, settings=LayoutSettings(patch_size=size), seed=seed, progress=False)
    seconds = time.process_time() - start
    placed, report = placed_cells(found.pos), found.layout.report
    pos, true = found.pos[placed], truth[placed]
    edges = edge_agreement(pos, true, seed=seed)
    scores = {
        **distance_agreement(pos, true, seed=seed)._asdict(),
        "edge_auc": edges.auc,
        "edge_bap": edges.bap,
        "trust_20": neighborhood_agreement(pos, true, seed=seed).trust,
    }
    disagreement = report.get("overlap_disagreement", float("nan"))
    return PatchSizeRow(size, report.get("patches", 1), scores, disagreement, report["stress"], seconds)


def _table(rows: Sequence[PatchSizeRow]) -> pd.DataFrame:
    table = pd.DataFrame([row.scores for row in rows], index=[row.size for row in rows]).rename(columns=QUALITY)
    table.insert(0, "patches", [row.patches for row in rows])
    for name in ("disagreement", "stress", "seconds"):
        table[name] = [getattr(row, name) for row in rows]
    return table


def draw_patch_sizes(rows: Sequence[PatchSizeRow]) -> Figure:
    """The six metrics, and disagreement and stress, against the size of a patch.

    Raises:
        ImportError: without matplotlib.
    """
    figure = new_figure(10.0, 3.8)
    left, right = figure.subplots(1, 2)
    order = sorted(rows, key=lambda row: row.size)
    sizes = [row.size for row in order]
    for color, (key, title) in zip(PALETTE, QUALITY.items(), strict=False):
        left.plot(sizes, [row.scores[key] for row in order], marker="o", ms=4, color=color, label=title)
    for color, (key, title) in zip(PALETTE, SOLVE.items(), strict=False):
        right.plot(sizes, [getattr(row, key) for row in order], marker="o", ms=4, color=color, label=title)
    for axes, title in ((left, "quality"), (right, "what the patches agree on")):
        axes.set(xscale="log", xlabel="cells in a patch", title=title)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    return figure

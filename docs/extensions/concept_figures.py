"""The figures of the concepts page, drawn from a simulated section by the functions that the page names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from training_figures import draw_attention, draw_gate, draw_minisets, draw_targets

from pyg_gears.data import simulate_tissue
from pyg_gears.geometry import gauge_fix
from pyg_gears.layout import LayoutSettings, PatchesOutput, draw_patches, locality_graph, stitch_patches
from pyg_gears.metrics import align
from pyg_gears.report.figure_style import OTHER, PALETTE, bare, new_figure

NOISE = 0.25  # of a patch's radius: about what a trained model leaves


def write_concept_figures(folder: Path) -> None:
    """Draw every figure that is not there yet; delete ``docs/figures`` to draw them again."""
    folder.mkdir(exist_ok=True)
    missing = {name: draw for name, draw in FIGURES.items() if not (folder / f"{name}.svg").exists()}
    if not missing:
        return
    pos = section()
    for name, draw in missing.items():
        draw(pos).savefig(folder / f"{name}.svg", metadata={"Date": None})


def section() -> np.ndarray:
    """Positions of a simulated section of 500 spots, in the gauge."""
    slide = simulate_tissue("layers", slides=1, cells=50, seed=3, spots=500).slides[0]
    return gauge_fix(torch.tensor(slide.pos).double()).numpy()


def draw_gauge(pos: np.ndarray) -> Figure:
    """The same layout in two units and places, and after the gauge."""
    figure = new_figure(7.2, 2.6)
    angle = 0.9
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    poses = {"pixels, shifted": 40 * pos + 300, "turned and mirrored": (pos * [1, -1]) @ turn + 2}
    panels = figure.subplots(1, 3)
    for axes, (title, shown) in zip(panels, poses.items(), strict=False):
        axes.scatter(*shown.T, c=pos[:, 0], s=4, cmap="viridis", lw=0)
        bare(axes, f"{title}\ncentre ({shown[:, 0].mean():.0f}, {shown[:, 1].mean():.0f})")
    fixed = gauge_fix(torch.as_tensor(poses["pixels, shifted"])).numpy()
    panels[2].scatter(*fixed.T, c=pos[:, 0], s=4, cmap="viridis", lw=0)
    panels[2].add_patch(_circle(1.0))
    bare(panels[2], "in the gauge: centre 0,\nroot mean square radius 1")
    return figure


def draw_patch_kinds(pos: np.ndarray) -> Figure:
    """A local and a global patch, and how often every cell is covered."""
    patches = _patches(pos)
    figure = new_figure(7.2, 2.8)
    panels = figure.subplots(1, 3)
    chosen = {"a local patch": int(np.flatnonzero(~patches.is_global)[0]), "a global patch": 0}
    for axes, (title, number) in zip(panels, chosen.items(), strict=False):
        axes.scatter(*pos.T, c=OTHER, s=4, lw=0)
        axes.scatter(*pos[patches[number]].T, c=PALETTE[0], s=9, lw=0)
        bare(axes, title)
    cover = np.bincount(patches.cells, minlength=patches.n)
    points = panels[2].scatter(*pos.T, c=cover, s=6, cmap="viridis", lw=0)
    figure.colorbar(points, ax=panels[2], label="patches that hold the cell", shrink=0.8)
    bare(panels[2], f"all {len(patches)} patches")
    return figure


def draw_stitching(pos: np.ndarray) -> Figure:
    """Patches in gauges of their own with noise, and the layout solved from their distances."""
    patches, rng = _patches(pos), np.random.default_rng(0)
    predicted = np.concatenate([_predict(pos[patches[number]], rng) for number in range(len(patches))])
    found = stitch_patches(patches, predicted[None], LayoutSettings(patch_size=96)).solved.pos
    figure = new_figure(7.2, 2.6)
    panels = figure.subplots(1, 4)
    for axes, number in zip(panels, np.flatnonzero(~patches.is_global)[:2], strict=False):
        cells = slice(patches.ptr[number], patches.ptr[number + 1])
        axes.scatter(*predicted[cells].T, c=pos[patches[number], 0], s=9, cmap="viridis", vmin=-2, vmax=2, lw=0)
        bare(axes, "a patch, as\na model gives it")
    aligned, _ = align(found, pos)
    for axes, shown, title in ((panels[2], aligned, "solved from\nall distances"), (panels[3], pos, "truth\n")):
        axes.scatter(*shown.T, c=pos[:, 0], s=5, cmap="viridis", vmin=-2, vmax=2, lw=0)
        bare(axes, title)
    return figure


def _patches(pos: np.ndarray) -> PatchesOutput:
    embedding = torch.as_tensor(np.column_stack([pos, np.ones(len(pos))])).float()
    return draw_patches(locality_graph(embedding, metric="euclidean").graph, size=96, min_cover=6, overlap=24)


def _predict(pos: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noisy = gauge_fix(torch.as_tensor(pos)).numpy() + NOISE * rng.standard_normal(pos.shape)
    turn, _ = np.linalg.qr(rng.standard_normal((2, 2)))
    return noisy @ turn


def _circle(radius: float) -> Circle:
    return Circle((0, 0), radius, fill=False, color="black", lw=0.8, ls="--")


FIGURES: dict[str, Callable[[np.ndarray], Figure]] = {
    "gauge": draw_gauge,
    "minisets": draw_minisets,
    "targets": draw_targets,
    "gate": draw_gate,
    "attention": draw_attention,
    "patches": draw_patch_kinds,
    "stitching": draw_stitching,
}

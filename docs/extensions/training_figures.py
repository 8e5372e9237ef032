"""The concept figures about training: minisets, targets, the gate's target, a step of attention."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch_geometric.data import Data

from pyg_gears.data import LocalSampling, MinisetRecipe, UniformSampling, draw_miniset
from pyg_gears.graphs import segment_softmax
from pyg_gears.report.figure_style import OTHER, PALETTE, bare, new_figure
from pyg_gears.targets import log_transitions
from pyg_gears.transforms import CandidateGraph, GeometricTargets

SIZE = 128


def draw_minisets(pos: np.ndarray) -> Figure:
    """One local and one uniform miniset of the same section."""
    figure = new_figure(5.2, 2.7)
    recipes = {
        "local": MinisetRecipe(local=LocalSampling(), uniform=None),
        "uniform": MinisetRecipe(local=None, uniform=UniformSampling()),
    }
    for axes, (title, recipe) in zip(figure.subplots(1, 2), recipes.items(), strict=True):
        spots = draw_miniset(torch.as_tensor(pos), None, SIZE, recipe, torch.Generator().manual_seed(5))
        axes.scatter(*pos.T, c=OTHER, s=4, lw=0)
        axes.scatter(*pos[spots].T, c=PALETTE[0], s=9, lw=0)
        bare(axes, f"{title}: {SIZE} of {len(pos)} spots")
    return figure


def draw_targets(pos: np.ndarray) -> Figure:
    """Where a random walk from one spot gets in one and in three steps, and the distances that the stress compares."""
    place, graph, centre = _miniset(pos)
    walk = _transitions(graph)
    figure = new_figure(7.2, 2.7)
    panels = figure.subplots(1, 3)
    for axes, steps in zip(panels, (1, 3), strict=False):
        row = np.linalg.matrix_power(walk, steps)[centre]
        points = axes.scatter(*place.T, c=row, s=10, cmap="viridis", lw=0)
        axes.scatter(*place[centre], marker="x", c=PALETTE[4], s=30)
        figure.colorbar(points, ax=axes, shrink=0.7)
        bare(axes, f"walk, {steps} step{'s' if steps > 1 else ''}")
    for a, b in graph.stress_edge_index.T.tolist():
        if centre in (a, b):
            panels[2].plot(*place[[a, b]].T, c=PALETTE[0], lw=0.6, zorder=1)
    panels[2].scatter(*place.T, c=OTHER, s=8, lw=0, zorder=2)
    bare(panels[2], "distances compared\nby the stress")
    return figure


def draw_gate(pos: np.ndarray) -> Figure:
    """Candidates of one spot by expression, and which of them are neighbours in space."""
    place, graph, centre = _miniset(pos)
    mine = (graph.edge_index[1] == centre) & (graph.edge_index[0] != centre)
    source = graph.edge_index[0, mine].numpy()
    figure = new_figure(5.6, 2.7)
    panels = figure.subplots(1, 2)
    for axes in panels:
        axes.scatter(*place.T, c=OTHER, s=6, lw=0)
        axes.scatter(*place[centre], marker="x", c=PALETTE[4], s=30, zorder=4)
    panels[0].scatter(*place[source].T, c=PALETTE[0], s=12, lw=0)
    bare(panels[0], f"{len(source)} candidates\n(alike in expression)")
    points = panels[1].scatter(*place[source].T, c=graph.gate_target[mine].numpy(), s=12, cmap="viridis", lw=0)
    figure.colorbar(points, ax=panels[1], shrink=0.7)
    bare(panels[1], "target of the gate\non them")
    return figure


def draw_attention(pos: np.ndarray) -> Figure:
    """One move of coordinates towards those attended to: without a gate, and with the true one."""
    place, graph, _ = _miniset(pos)
    rng = np.random.default_rng(1)
    start = place + 0.5 * rng.standard_normal(place.shape)
    source, target = graph.edge_index.numpy()
    truth = graph.gate_target.clamp(min=1e-6).log()
    figure = new_figure(7.2, 2.7)
    panels = figure.subplots(1, 3)
    panels[0].scatter(*start.T, c=place[:, 0], s=9, cmap="viridis", lw=0)
    bare(panels[0], "coordinates before")
    for axes, logits, title in (
        (panels[1], torch.zeros(len(source)), "after one step,\nall candidates alike"),
        (panels[2], truth, "after one step,\nthe true gate in the logits"),
    ):
        alpha = segment_softmax(logits[:, None].double(), graph.edge_index[1], len(place))[:, 0].numpy()
        moved = np.zeros_like(start)
        np.add.at(moved, target, alpha[:, None] * start[source])
        axes.scatter(*moved.T, c=place[:, 0], s=9, cmap="viridis", lw=0)
        bare(axes, title)
    return figure


def _miniset(pos: np.ndarray) -> tuple[np.ndarray, Data, int]:
    """A miniset with an embedding that is a noisy function of place, its targets, and the spot nearest to the middle."""
    recipe = MinisetRecipe(local=None, uniform=UniformSampling())
    spots = draw_miniset(torch.as_tensor(pos), None, SIZE, recipe, torch.Generator().manual_seed(2)).sort().values
    place = torch.as_tensor(pos)[spots].float()
    generator = torch.Generator().manual_seed(0)
    waves = torch.cos(1.5 * place @ torch.randn(2, 32, generator=generator) + torch.arange(32))
    x = waves + 0.7 * torch.randn(SIZE, 32, generator=generator)
    graph = GeometricTargets()(CandidateGraph(k=30)(Data(x=x, pos=place)))
    return place.numpy(), graph, int(place.norm(dim=1).argmin())


def _transitions(graph: Data) -> np.ndarray:
    """The dense transition matrix of the true random walk, rows sum to one."""
    value = log_transitions(graph.rw_log_ref, graph.rw_multiplicity, graph.rw_edge_index, SIZE).exp()
    dense = np.zeros((SIZE, SIZE))
    dense[graph.rw_edge_index[1].numpy(), graph.rw_edge_index[0].numpy()] = value.numpy()
    return dense

"""Attention of single nodes on the true tissue, and the layout by recycle: maps of minisets and nodes chosen by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.geometry import similarity_procrustes
from pyg_gears.graphs.segment_softmax import segment_softmax
from pyg_gears.lab.probes.true_neighbors import true_neighbors
from pyg_gears.models import StructureOutput
from pyg_gears.report.figure_style import OTHER, PALETTE, bare, new_figure, panel_height, point_size
from pyg_gears.report.layout_figures import drawn_together

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

QUERIES = {
    "median_entropy": "the node of median gate entropy",
    "upper_left": "the central node of the upper left quadrant",
    "upper_right": "the central node of the upper right quadrant",
    "lower_left": "the central node of the lower left quadrant",
    "lower_right": "the central node of the lower right quadrant",
}
EDGES = 5
RECALL = 30


def miniset_maps(
    output: StructureOutput, miniset: Data, truth: Float[np.ndarray, "n 2"], title: str
) -> Iterator[tuple[str, Figure]]:
    """The focus maps of one miniset's query nodes, and its coordinate progression, one figure at a time.

    Args:
        output: The model's layout of the miniset, with attention terms.
        miniset: The miniset with its targets, n nodes.
        truth: True positions of its nodes, shape (n, 2), any unit.
        title: What the miniset is called in the figures' titles.

    Yields:
        Names ("focus_" and the query's, "progression") and figures.
    """
    assert output.terms is not None
    assert output.gate_logits is not None
    alpha, edges = [terms.alpha.cpu() for terms in output.terms], output.edge_index.cpu()
    for name, node in query_nodes(output.gate_logits.cpu(), edges, torch.from_numpy(truth)).items():
        yield (
            f"focus_{name}",
            focus_figure(alpha, edges, miniset, truth, node, f"{title}: attention of {QUERIES[name]}"),
        )
    yield "progression", progression_figure([pos.cpu() for pos in (output.initial, *output.trajectory)], truth, title)


def query_nodes(gate_logits: Tensor, edge_index: Int[Tensor, "2 e"], truth: Float[Tensor, "n 2"]) -> dict[str, int]:
    r"""The nodes whose attention is drawn, by rule: one of median gate entropy, and one in each quadrant.

    The first is the node whose entropy :math:`-\sum_j q_{ij} \log q_{ij}`, q the softmax of the gate over the candidates of i,
    is the (lower) median. Quadrants are cut at the median of each coordinate; of each the node is taken that lies nearest to
    the median position of its nodes. Ties go to the lower node; no node is taken twice; an empty quadrant gives none.

    Args:
        gate_logits: Gate of each edge, shape (e,) or (e, h); heads are averaged.
        edge_index: Candidate edges, shape (2, e); self-loops are left out.
        truth: True positions, shape (n, 2).

    Returns:
        Name of the query -> node, at most five.
    """
    n = truth.size(0)
    entropy = gate_entropy(gate_logits, edge_index, n)
    chosen = {"median_entropy": int(entropy.argsort(stable=True)[(n - 1) // 2])}
    right, upper = (truth >= truth.median(dim=0).values).T
    quadrants = (~right & upper, right & upper, ~right & ~upper, right & ~upper)
    for name, inside in zip(list(QUERIES)[1:], quadrants, strict=True):
        node = _central(truth, inside, tuple(chosen.values()))
        if node is not None:
            chosen[name] = node
    return chosen


def gate_entropy(gate_logits: Tensor, edge_index: Int[Tensor, "2 e"], n: int) -> Float[Tensor, " n"]:
    """Entropy in nats of the softmax of the gate over each node's candidates, itself left out; 0 without candidates."""
    logits = gate_logits if gate_logits.dim() == 1 else gate_logits.mean(dim=1)
    keep = edge_index[0] != edge_index[1]
    target = edge_index[1, keep]
    share = segment_softmax(logits[keep, None].double(), target, n).squeeze(1)
    return share.new_zeros(n).index_add(0, target, -torch.special.xlogy(share, share))


def focus_figure(
    alpha: Sequence[Float[Tensor, "e h"]],
    edge_index: Int[Tensor, "2 e"],
    miniset: Data,
    truth: Float[np.ndarray, "n 2"],
    query: int,
    title: str,
) -> Figure:
    """Attention of one node on the true positions; a row per recycle, a column per head, one colour scale for all.

    Candidates are coloured by attention (other nodes are small and grey), true neighbours ringed, and lines lead to the five
    candidates with the most attention. A panel's title gives the node's recall@30, as in
    :func:`~pyg_gears.lab.probes.attention_probe.attention_probe`.

    Args:
        alpha: Attention of each recycle, shape (e, h) each.
        edge_index: Edges of the attention, shape (2, e).
        miniset: The miniset with its targets, n nodes.
        truth: True positions, shape (n, 2).
        query: The node.
        title: Title of the figure.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    into = (edge_index[1] == query) & (edge_index[0] != query)
    candidates = edge_index[0, into].numpy()
    true = true_neighbors(miniset, edge_index[:, into], RECALL)
    attention = np.stack([values[into].numpy() for values in alpha])  # (recycles, candidates, heads)
    walk = miniset.rw_edge_index
    neighbors = walk[0, (walk[1] == query) & (walk[0] != query)].numpy()
    recycles, _, heads = attention.shape
    width = min(2.3, 11.0 / heads)
    figure = new_figure(width * heads + 1.1, (panel_height(width, truth) - 0.3) * recycles + 0.9)
    # Square root: a few candidates get most of the attention, and the others should still be told apart.
    norm = PowerNorm(0.5, vmin=0.0, vmax=max(float(attention.max(initial=0.0)), 1e-6))
    panels = figure.subplots(recycles, heads, squeeze=False)
    for recycle, row in enumerate(panels):
        for head, axes in enumerate(row):
            order = np.argsort(-attention[recycle, :, head], kind="stable")
            _draw_focus(axes, truth, query, candidates[order], attention[recycle, order, head], neighbors, norm)
            recall = (true.transition[order[:RECALL].copy()] > 0).sum() / RECALL
            axes.set_title(f"recycle {recycle + 1}, head {head + 1}: {float(recall):.2f}", fontsize=9)
    figure.suptitle(f"{title} (numbers: recall@{RECALL})", fontsize=11, wrap=True)
    figure.colorbar(ScalarMappable(norm, "viridis"), ax=panels, shrink=0.6, aspect=30, label="attention")
    figure.legend(handles=_marks(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def progression_figure(layouts: Sequence[Float[Tensor, "n 2"]], truth: Float[np.ndarray, "n 2"], title: str) -> Figure:
    """The truth, the initial layout and the layout after each recycle, aligned, coloured by true position.

    Each layout is turned (or mirrored) onto the truth by similarity Procrustes and drawn at its RMS radius; ``d`` is the
    disparity: the share of the truth's variance that the best similarity leaves.

    Args:
        layouts: The initial layout and that after each recycle, shape (n, 2) each.
        truth: True positions, shape (n, 2).
        title: Title of the figure.
    """
    shown = [("truth", drawn_together(truth, truth)[1])]
    for number, layout in enumerate(layouts):
        pos = layout.double().numpy()
        fit = similarity_procrustes(layout.double(), torch.from_numpy(truth).double(), allow_reflection=True)
        name = "initial" if number == 0 else f"recycle {number}"
        shown.append((f"{name}, d = {float(fit.disparity):.3f}", drawn_together(pos, truth)[0]))
    width = 1.9
    together = np.concatenate([where for _, where in shown])
    figure = new_figure(width * len(shown) + 0.4, 2 * (panel_height(width, together) - 0.3) + 0.6)
    panels = figure.subplots(2, len(shown), sharex=True, sharey=True, squeeze=False)
    for row, (axis, colors) in enumerate((("horizontal", "viridis"), ("vertical", "plasma"))):
        for axes, (name, where) in zip(panels[row], shown, strict=True):
            axes.scatter(where[:, 0], where[:, 1], c=truth[:, row], s=point_size(len(truth)) * 0.4, cmap=colors, lw=0)
            bare(axes, name if row == 0 else "")
        panels[row, 0].set_ylabel(f"colour: true\n{axis} position", fontsize=9)
    figure.suptitle(f"{title}: layout by recycle, aligned to the truth (d: Procrustes disparity)", fontsize=11)
    return figure


def _central(truth: Float[Tensor, "n 2"], inside: Bool[Tensor, " n"], taken: tuple[int, ...]) -> int | None:
    """The node nearest to the median position of those inside, not taken before."""
    if not bool(inside.any()):
        return None
    distance = (truth - truth[inside].median(dim=0).values).square().sum(dim=1)
    distance[~inside] = torch.inf
    distance[list(taken)] = torch.inf
    node = int(distance.argmin())
    return node if bool(distance[node] < torch.inf) else None


def _draw_focus(
    axes: Axes,
    truth: Float[np.ndarray, "n 2"],
    query: int,
    candidates: Int[np.ndarray, " m"],
    attention: Float[np.ndarray, " m"],
    neighbors: Int[np.ndarray, " k"],
    norm: PowerNorm,
) -> None:
    """One panel; candidates come with the most attention first."""
    size = point_size(len(truth)) * 0.45
    axes.scatter(truth[:, 0], truth[:, 1], s=size * 0.3, c=OTHER, lw=0, zorder=1)
    for j in candidates[:EDGES]:
        axes.plot(*truth[[query, j]].T, color="black", lw=0.9, zorder=2)
    x, y = truth[candidates[::-1]].T
    axes.scatter(x, y, s=size, c=attention[::-1], cmap="viridis", norm=norm, lw=0, zorder=3)
    x, y = truth[neighbors].T
    axes.scatter(x, y, s=size * 1.6, facecolors="none", edgecolors=PALETTE[4], lw=0.7, zorder=4)
    x, y = truth[query]
    axes.scatter(x, y, s=size * 4, marker="*", c=PALETTE[3], edgecolors="black", lw=0.5, zorder=5)
    bare(axes, "")


def _marks() -> list[object]:
    from matplotlib.lines import Line2D

    dot = {"ls": "none", "marker": "o"}
    return [
        Line2D([], [], ls="none", marker="*", ms=10, mfc=PALETTE[3], mec="black", mew=0.5, label="query"),
        Line2D([], [], ms=7, mfc="none", mec=PALETTE[4], label="true neighbour", **dot),  # type: ignore[arg-type]
        Line2D([], [], color="black", lw=1, label="5 of most attention"),
        Line2D([], [], ms=3, mfc=OTHER, mec=OTHER, label="not a candidate", **dot),  # type: ignore[arg-type]
    ]

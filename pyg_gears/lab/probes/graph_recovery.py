"""How much of the tissue's neighbour graph an embedding keeps, by the distance in which neighbours are searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from pyg_gears.encoders.neighbor_agreement import neighbor_agreement
from pyg_gears.errors import expect
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.graphs import knn, symmetric_csr
from pyg_gears.lab.probe import Probe
from pyg_gears.lab.probes.figure_parts import draw_bars
from pyg_gears.lab.probes.subject import Found, ModelSubject, OnSlide
from pyg_gears.report.figure_style import legend_below
from pyg_gears.typing import IntArray, Metric

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STARTS = 500
VARIANCE = 0.9


class GraphRecovery(NamedTuple):
    """kNN of an embedding against kNN of the tissue, for one distance in the embedding; larger is better but for the distance.

    Attributes:
        overlap: Mean share of the k nearest in the embedding that are among the k nearest in the tissue.
        recall: Mean share of the k nearest in the tissue found among the ``recall_k`` nearest in the embedding.
        jaccard: Mean over the spots of common over all neighbours of the two lists of k.
        mean_distance: Mean physical distance to the k nearest in the embedding over that of all pairs; 1 by chance.
        diffusion: Steps t -> mean over the spots of ``1 - TV(walk_H^t, walk_X^t)``: how much two random walks that start at a
            spot overlap after t steps on the two graphs. It grows with t by itself; the variant "shuffled" shows by how much.
    """

    overlap: float
    recall: float
    jaccard: float
    mean_distance: float
    diffusion: dict[int, float]


def graph_recovery(
    x: Float[Tensor, "n c"],
    pos: Float[Tensor, "n d"],
    *,
    k: int = 20,
    recall_k: int = 100,
    steps: Sequence[int] = (1, 2, 4, 8),
    seed: int = 0,
) -> dict[str, GraphRecovery]:
    r"""Compare one slide's neighbours in the embedding, by several distances, with its neighbours in the tissue.

    Walks go to the neighbours of the symmetric kNN graph with equal chances, :math:`T = D^{-1} A`; beyond 500 spots their
    starts are 500 evenly numbered ones.

    Args:
        x: Embedding of the slide's spots, shape (n, c).
        pos: Their coordinates, shape (n, d), any unit.
        k: Neighbours compared, clipped to n - 1.
        recall_k: Neighbours in the embedding for ``recall``, at least k, clipped to n - 1.
        steps: Lengths of the walks, at least 1.
        seed: Seed of "shuffled".

    Returns:
        In this order "cosine", "euclidean", "whitened" (Euclidean, every principal axis at variance 1), "pca" (Euclidean, the
        fewest principal axes that hold 90 % of the variance) and "shuffled" (cosine, spots exchanged: chance).

    Raises:
        InputError: unless n >= 2 and the shapes agree, for ``recall_k`` below k, or walks without a step.
    """
    expect(
        len(steps) > 0 and min(steps) >= 1,
        f"expected walks of at least one step, found {tuple(steps)}; pass lengths such as (1, 2, 4, 8).",
    )
    n = x.size(0)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    variants: dict[str, tuple[Tensor, Metric]] = {
        "cosine": (x, "cosine"),
        "euclidean": (x, "euclidean"),
        "whitened": (_principal(x, whiten=True), "euclidean"),
        "pca": (_principal(x, whiten=False), "euclidean"),
        "shuffled": (x[order.to(x.device)], "cosine"),
    }
    found = {}
    for name, (values, metric) in variants.items():
        # Checks its input before anything else is computed from it.
        agreement = neighbor_agreement(values, pos, k=k, recall_k=recall_k, metric=metric)
        near_x = knn(values, k, metric=metric).index.cpu().numpy()
        near_pos = nearest_neighbors(pos.detach().cpu().double(), min(k, n - 1)).index.numpy()
        found[name] = GraphRecovery(
            agreement.overlap,
            agreement.recall,
            _jaccard(near_x, near_pos),
            agreement.mean_distance,
            _diffusion(near_x, near_pos, sorted(set(steps))),
        )
    return found


def _principal(x: Tensor, *, whiten: bool) -> Tensor:
    """Scores on the principal axes: all of them at equal variance, or the first ones as they are."""
    centred = x.detach().double() - x.detach().double().mean(dim=0)
    left, scale, _ = torch.linalg.svd(centred, full_matrices=False)
    if whiten:
        return left[:, scale > 1e-6 * scale.max()]
    share = scale.square().cumsum(0) / scale.square().sum()
    return (left * scale)[:, : int((share < VARIANCE).sum()) + 1]


def _jaccard(a: IntArray, b: IntArray) -> float:
    row = np.arange(len(a))[:, None] * len(a)
    common = np.isin(a + row, b + row).sum(axis=1)
    return float((common / (2 * a.shape[1] - common)).mean())


def _diffusion(a: IntArray, b: IntArray, steps: Sequence[int]) -> dict[int, float]:
    n = len(a)
    start = np.unique(np.linspace(0, n - 1, min(n, STARTS)).astype(int))
    walks = [sparse.csr_array((np.ones(len(start)), (np.arange(len(start)), start)), shape=(n, n))[: len(start)]] * 2
    transitions = [_walk(a), _walk(b)]
    found = {}
    for step in range(1, steps[-1] + 1):
        walks = [sparse.csr_array(walk @ t) for walk, t in zip(walks, transitions, strict=True)]
        if step in steps:
            found[step] = 1.0 - float(abs(walks[0] - walks[1]).sum()) / (2 * len(start))
    return found


def _walk(near: IntArray) -> sparse.csr_array:
    """Transitions of the random walk on the symmetric kNN graph, rows sum to 1."""
    graph = symmetric_csr(near)
    return sparse.csr_array(sparse.diags_array(1.0 / graph.sum(axis=1)) @ graph)


def _measure(subject: ModelSubject) -> Found[dict[str, GraphRecovery]]:
    found = []
    for slide in subject.slides:
        subject.progress(f"{slide.name}: neighbours in the embedding")
        embedded = slide.minisets.slides[0]
        recovery = graph_recovery(embedded.x, embedded.pos, seed=subject.seed)
        found.append(OnSlide(slide.name, slide.status, (recovery,)))
    return tuple(found)


def _tables(found: Found[dict[str, GraphRecovery]]) -> Mapping[str, pd.DataFrame]:
    return {f"Neighbours in the embedding, {slide.label}": _table(slide.members[0]) for slide in found}


def _table(recovery: Mapping[str, GraphRecovery]) -> pd.DataFrame:
    rows = {
        name: {
            "overlap@20": one.overlap,
            "recall@100": one.recall,
            "Jaccard": one.jaccard,
            "distance": one.mean_distance,
            **{f"{step} step{'s' * (step != 1)}": value for step, value in one.diffusion.items()},
        }
        for name, one in recovery.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _draw(found: Found[dict[str, GraphRecovery]], figure: Figure) -> None:
    measures = {
        "overlap@20": lambda one: one.overlap,
        "recall@100": lambda one: one.recall,
        "Jaccard index@20": lambda one: one.jaccard,
        "diffusion agreement, 4 steps": lambda one: one.diffusion[4],
    }
    variants = list(found[0].members[0])
    figure.set_size_inches(13.0, 1.4 + 0.36 * len(variants) * max(len(found), 2))
    panels = figure.subplots(1, len(measures), sharey=True)
    for axes, (title, read) in zip(panels, measures.items(), strict=True):
        values = {slide.label: [[read(slide.members[0][name])] for name in variants] for slide in found}
        draw_bars(axes, variants, values)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(0, 1.15)
    legend_below(figure, panels, columns=3)
    figure.suptitle("neighbours in the embedding against neighbours in the tissue (shuffled: chance)", fontsize=11)


PROBE = Probe("graph_recovery", _measure, _tables, _draw)

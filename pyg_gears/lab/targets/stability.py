"""Diagnostic 1: how much the neighbourhoods change when spots are jittered or left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pyg_gears.geometry import nearest_neighbors
from pyg_gears.lab.probe import Probe
from pyg_gears.lab.targets.families import target_data, target_matrix
from pyg_gears.lab.targets.subject import TargetsSubject
from pyg_gears.report.figure_style import PALETTE, legend_below
from pyg_gears.seeds import torch_stream
from pyg_gears.targets import neighbor_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JITTERS = (0.01, 0.02, 0.05)
SHARES = (0.8, 0.6)
DRAWS = 3
EIGENVALUES = 20


class Change(NamedTuple):
    """What one disturbance does to one miniset, mean over draws.

    Attributes:
        slide: Name of the slide.
        size: Spots before.
        disturbance: In words.
        jaccard: Overlap of the kNN edges among the spots that are left, 1 where nothing changed.
        spectrum: Mean absolute change of the 20 largest eigenvalues of the random walk T.
        entropy: Mean row entropy of T after, over before.
    """

    slide: str
    size: int
    disturbance: str
    jaccard: float
    spectrum: float
    entropy: float


def knn_edges(pos: Float[Tensor, "n 2"]) -> Tensor:
    """Adjacency (n, n) of the adaptive kNN graph: row i holds the neighbours of i."""
    index = nearest_neighbors(pos, neighbor_count(len(pos))).index
    return torch.zeros(len(pos), len(pos), dtype=torch.bool).scatter_(1, index, True)


def jaccard_of(a: Tensor, b: Tensor) -> float:
    """Edges in both over edges in either."""
    return float((a & b).sum() / (a | b).sum().clamp(min=1))


def walk_of(pos: Float[Tensor, "n 2"]) -> tuple[Float[Tensor, " k"], float]:
    """Largest eigenvalues of T, and its mean row entropy in nats."""
    data = target_data(pos)
    t = target_matrix(data, "F2")
    degree = torch.zeros(len(pos), dtype=t.dtype).index_add_(
        0, data.rw_edge_index[1], data.rw_multiplicity * data.rw_log_ref.exp()
    )
    # T is similar to the symmetric D^1/2 T D^-1/2.
    root = degree.sqrt()
    value = torch.linalg.eigvalsh(root[:, None] * t / root).flip(0)[:EIGENVALUES]
    return value, float(-torch.xlogy(t, t).sum(dim=1).mean())


def disturbances(pos: Float[Tensor, "n 2"], generator: Generator) -> dict[str, tuple[Tensor, Tensor]]:
    """Name -> spots that are left (numbers) and where they lie then."""
    n, every = len(pos), torch.arange(len(pos))
    radius = nearest_neighbors(pos, neighbor_count(n)).distance[:, -1].median()
    found = {}
    for share in JITTERS:
        noise = torch.randn(pos.shape, generator=generator, dtype=pos.dtype)
        found[f"jitter {share:.0%} of the radius"] = every, pos + share * radius * noise
    for share in SHARES:
        kept = torch.randperm(n, generator=generator)[: int(share * n)].sort().values
        found[f"{share:.0%} of the spots"] = kept, pos[kept]
    return found


def measure(subject: TargetsSubject) -> tuple[Change, ...]:
    """Every disturbance of every miniset."""
    changes = []
    for miniset in subject.minisets:
        generator = torch_stream(subject.seed, "stability", miniset.slide, miniset.size)
        edges, (spectrum, entropy) = knn_edges(miniset.pos), walk_of(miniset.pos)
        values: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(DRAWS):
            for name, (kept, moved) in disturbances(miniset.pos, generator).items():
                after, after_entropy = walk_of(moved)
                values.setdefault(name, []).append(
                    (
                        jaccard_of(edges[kept][:, kept], knn_edges(moved)),
                        float((after - spectrum).abs().mean()),
                        after_entropy / entropy,
                    )
                )
        changes += [
            Change(miniset.slide, miniset.size, name, *np.mean(found, axis=0).tolist())
            for name, found in values.items()
        ]
    return tuple(changes)


def _tables(record: tuple[Change, ...]) -> Mapping[str, pd.DataFrame]:
    rows = {(one.slide, one.size, one.disturbance): (one.jaccard, one.spectrum, one.entropy) for one in record}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["Jaccard of kNN", "spectrum", "entropy ratio"])
    return {f"Stability: mean of {DRAWS} draws": frame.set_axis(pd.MultiIndex.from_tuples(rows))}


def _draw(record: tuple[Change, ...], figure: Figure) -> None:
    """The Jaccard overlap of every disturbance, a line a miniset."""
    figure.set_size_inches(6.4, 4.0)
    axes = figure.subplots()
    names = list(dict.fromkeys(one.disturbance for one in record))
    groups = list(dict.fromkeys((one.slide, one.size) for one in record))
    for number, (slide, size) in enumerate(groups):
        values = [one.jaccard for one in record if (one.slide, one.size) == (slide, size)]
        axes.plot(
            names, values, "o-", color=PALETTE[number % len(PALETTE)], label=f"{slide}, n = {size}", clip_on=False
        )
    axes.set(ylim=(0, 1), ylabel="Jaccard overlap of kNN edges")
    axes.set_xticks(range(len(names)), labels=[name.replace(" of the ", "\nof the ") for name in names], fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, [axes], columns=3)


PROBE = Probe("stability", measure, _tables, _draw)

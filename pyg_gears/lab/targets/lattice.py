"""Diagnostic 4: what of a target comes from spots that lie on a lattice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Generator, Tensor

from pyg_gears.geometry import gauge_fix, nearest_neighbors
from pyg_gears.lab.probe import Probe
from pyg_gears.lab.targets.recovery import FIXED, recover_miniset
from pyg_gears.lab.targets.stability import jaccard_of, knn_edges, walk_of
from pyg_gears.lab.targets.subject import Miniset, TargetsSubject
from pyg_gears.report.figure_style import PALETTE, legend_below
from pyg_gears.seeds import torch_stream
from pyg_gears.targets import neighbor_count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JITTER = 0.01


class Pattern(NamedTuple):
    """One arrangement of n spots.

    Attributes:
        name: "tissue", "square", "hexagonal" or "random".
        slide: Slide whose miniset is compared.
        size: Spots.
        ties: Share of spots whose k-th and (k + 1)-th neighbour are equally far, so that their number decides.
        jaccard: Overlap of kNN edges after a jitter of 1 % of the kNN radius.
        entropy: Row entropy of T over log k.
        disparity: Of F2+F4, as in the diagnostic of recoverability.
        recall: Likewise.
    """

    name: str
    slide: str
    size: int
    ties: float
    jaccard: float
    entropy: float
    disparity: float
    recall: float


def lattice_points(n: int, *, hexagonal: bool) -> Float[Tensor, "n 2"]:
    """The n points of a lattice of spacing 1 that lie nearest to a place off its symmetry axes: a disc."""
    side = torch.arange(-int(n**0.5) - 3, int(n**0.5) + 4, dtype=torch.float64)
    row, column = torch.meshgrid(side, side, indexing="ij")
    points = torch.stack([column.flatten(), row.flatten()], dim=1)
    if hexagonal:
        points = torch.stack([points[:, 0] + points[:, 1] / 2, points[:, 1] * 0.75**0.5], dim=1)
    centre = torch.tensor([0.21, 0.13], dtype=torch.float64)
    return points[(points - centre).norm(dim=1).argsort(stable=True)[:n]]


def random_disc(n: int, generator: Generator) -> Float[Tensor, "n 2"]:
    """Points drawn uniformly in a disc."""
    draw = torch.rand(2, n, generator=generator, dtype=torch.float64)
    angle = 2 * torch.pi * draw[1]
    return draw[0].sqrt()[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)


def tie_share(pos: Float[Tensor, "n 2"]) -> float:
    """Share of spots at which the border of the neighbourhood runs through a tie."""
    k = neighbor_count(len(pos))
    distance = nearest_neighbors(pos, k + 1).distance
    return float(((distance[:, k] - distance[:, k - 1]) <= 1e-9 * distance[:, k]).double().mean())


def measure(subject: TargetsSubject) -> tuple[Pattern, ...]:
    """The smallest miniset of each slide beside lattices and random points of as many spots.

    In the gauge points of one number in one disc have one spacing.
    """
    found = []
    for slide in dict.fromkeys(one.slide for one in subject.minisets):
        miniset = min((one for one in subject.minisets if one.slide == slide), key=lambda one: one.size)
        n, generator = miniset.size, torch_stream(subject.seed, "lattice", slide)
        patterns = {
            "tissue": miniset.pos,
            "square": gauge_fix(lattice_points(n, hexagonal=False)),
            "hexagonal": gauge_fix(lattice_points(n, hexagonal=True)),
            "random": gauge_fix(random_disc(n, generator)),
        }
        for name, pos in patterns.items():
            k = neighbor_count(n)
            radius = nearest_neighbors(pos, k).distance[:, -1].median()
            moved = pos + JITTER * radius * torch.randn(pos.shape, generator=generator, dtype=pos.dtype)
            recovered = recover_miniset(Miniset(f"{slide} {name}", pos), FIXED, subject)
            found.append(
                Pattern(
                    name,
                    slide,
                    n,
                    tie_share(pos),
                    jaccard_of(knn_edges(pos), knn_edges(moved)),
                    walk_of(pos)[1] / float(np.log(max(k, 2))),
                    float(np.mean(recovered.disparity)),
                    float(np.mean(recovered.recall)),
                )
            )
    return tuple(found)


def _tables(record: tuple[Pattern, ...]) -> Mapping[str, pd.DataFrame]:
    rows = {(one.slide, one.size, one.name): one[3:] for one in record}
    columns = ["ties", "Jaccard after jitter 1 %", "entropy / log k", f"{FIXED} disparity", "recall@15"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return {
        "Lattice artefacts: the same on lattices and on random points": frame.set_axis(pd.MultiIndex.from_tuples(rows))
    }


def _draw(record: tuple[Pattern, ...], figure: Figure) -> None:
    """A row of bars for each slide."""
    slides = list(dict.fromkeys(one.slide for one in record))
    figure.set_size_inches(6.4, 0.8 + 2.2 * len(slides))
    panels = figure.subplots(len(slides), 1, squeeze=False)[:, 0]
    quantities = {"ties": "ties", "jaccard": "Jaccard after jitter", "disparity": "disparity", "recall": "recall@15"}
    width = 0.8 / len(quantities)
    for axes, slide in zip(panels, slides, strict=True):
        chosen = [one for one in record if one.slide == slide]
        for number, (key, label) in enumerate(quantities.items()):
            places = np.arange(len(chosen)) + (number - 1.5) * width
            axes.bar(places, [getattr(one, key) for one in chosen], 0.94 * width, color=PALETTE[number], label=label)
        axes.set_xticks(range(len(chosen)), labels=[one.name for one in chosen], fontsize=9)
        axes.set_title(f"{slide}, n = {chosen[0].size}", fontsize=10)
        axes.set(ylim=(0, 1), ylabel="share")
        axes.spines[["top", "right"]].set_visible(False)
    legend_below(figure, panels, columns=4)


PROBE = Probe("lattice", measure, _tables, _draw)

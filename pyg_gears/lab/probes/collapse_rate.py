"""How many minisets are laid out without collapse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import MinisetDataset
from pyg_gears.lab.probe import PUBLISHED, Probe, Requirement
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches
from pyg_gears.lab.probes.subject import Found, OnSlide, each_member, member_table, slide_requirements
from pyg_gears.losses.membership import membership
from pyg_gears.metrics import collapse_statistics
from pyg_gears.typing import IntArray

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

LIMITS = {"eigenvalue_ratio": 0.15, "nn_p5": 0.05, "median_distance": 0.6}
LABELS = {
    "eigenvalue_ratio": "second axis wide enough",
    "nn_p5": "no nearest neighbour too near",
    "median_distance": "distances wide enough",
}
# A layout counts as healthy relative to the truth from half of its figures on, in 99 % of the minisets.
SHARE_OF_TRUTH = 0.5
HEALTHY_RATE = 0.99
# 5th percentile of the nearest-neighbour distance of n random points in a disc, times sqrt(n).
RANDOM_NEAREST = 0.32


class CollapseRate(NamedTuple):
    """Shape statistics of predicted minisets in the gauge, see :func:`pyg_gears.metrics.collapse_statistics`.

    The 5th percentile of the nearest-neighbour distance depends on the number of nodes n: about 2.5 / sqrt(n) on a square
    lattice and 0.32 / sqrt(n) for points drawn at random in a disc, which miss the limit of 0.05 beyond some 40 nodes. Whether
    a miniset could pass is seen from ``truth``.

    Attributes:
        minisets: Number of minisets.
        finite: Share of minisets whose layout is finite.
        rate: Share of minisets at or above all three limits.
        passing: Measure -> share of minisets at or above its limit.
        predicted: Measure -> value of every miniset, by number, shape (m,).
        truth: The same for the true coordinates; empty where the minisets do not know their slides.
        relative_rate: Share of minisets that reach half of the truth's figure in all three measures, where no layout is asked
            for a wider nearest-neighbour distance than points drawn at random have; NaN where the truth is unknown.
        true_rate: ``rate`` of the true coordinates; NaN where unknown.
        true_passing: ``passing`` of the true coordinates; empty where unknown.
    """

    minisets: int
    finite: float
    rate: float
    passing: dict[str, float]
    predicted: dict[str, Float[np.ndarray, " m"]]
    truth: dict[str, Float[np.ndarray, " m"]]
    relative_rate: float
    true_rate: float
    true_passing: dict[str, float]


def collapse_rate(model: StructureModel, minisets: Minisets, node_budget: int = 1024) -> CollapseRate:
    """Count the layouts with lambda2 / lambda1 >= 0.15, p5(nearest neighbour) >= 0.05 and median distance >= 0.6.

    A layout that is not finite passes nothing.

    Args:
        model: Structure model.
        minisets: Minisets with candidates; a dataset also knows the true coordinates.
        node_budget: Most nodes of a batch.

    Raises:
        InputError: when there is no miniset.
    """
    tables = {"predicted": MinisetTable(len(minisets)), "truth": MinisetTable(len(minisets))}
    slides: dict[int, Tensor] = {}
    sizes = [0] * len(minisets)
    if isinstance(minisets, MinisetDataset):
        slides = {place if s.slide_id is None else s.slide_id: s.pos for place, s in enumerate(minisets.slides)}
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            pos, ptr = model(batch).pos.double(), membership(batch, int(batch.num_nodes)).ptr.tolist()
            for place, number in enumerate(ids):
                span = slice(ptr[place], ptr[place + 1])
                sizes[number] = span.stop - span.start
                layouts = {"predicted": pos[span]}
                if slides:
                    whole = slides[int(batch.slide_id[place])]
                    layouts["truth"] = whole[batch.node_id[span].to(whole.device)]
                for kind, layout in layouts.items():
                    known = bool(layout.isfinite().all())
                    found = collapse_statistics(layout)._asdict() if known else dict.fromkeys(LIMITS, np.nan)
                    for name in LIMITS:
                        tables[kind].add(name, [number], [found[name]])
    predicted = {name: tables["predicted"].values(name) for name in LIMITS}
    truth = {name: tables["truth"].values(name) for name in LIMITS} if slides else {}
    return CollapseRate(
        minisets=len(minisets),
        finite=float(np.isfinite(predicted["median_distance"]).mean()),
        rate=_rate(predicted),
        passing=_passing(predicted),
        predicted=predicted,
        truth=truth,
        relative_rate=_relative_rate(predicted, truth, np.array(sizes)) if truth else float("nan"),
        true_rate=_rate(truth) if truth else float("nan"),
        true_passing=_passing(truth) if truth else {},
    )


def _relative_rate(
    predicted: dict[str, Float[np.ndarray, " m"]], truth: dict[str, Float[np.ndarray, " m"]], sizes: IntArray
) -> float:
    """A lattice spreads its spots more evenly than any inferred layout can: random points are the measure there."""
    wanted = truth | {"nn_p5": np.minimum(truth["nn_p5"], RANDOM_NEAREST / np.sqrt(sizes))}
    return float(np.logical_and.reduce([predicted[name] >= SHARE_OF_TRUTH * wanted[name] for name in LIMITS]).mean())


def _passing(values: dict[str, Float[np.ndarray, " m"]]) -> dict[str, float]:
    return {name: float((values[name] >= limit).mean()) for name, limit in LIMITS.items()}


def _rate(values: dict[str, Float[np.ndarray, " m"]]) -> float:
    """Share of minisets at or above every limit; a layout that is not finite is below."""
    return float(np.logical_and.reduce([values[name] >= limit for name, limit in LIMITS.items()]).mean())


def _tables(found: Found[CollapseRate]) -> Mapping[str, pd.DataFrame]:
    def rows(one: CollapseRate) -> dict[str, float]:
        shown = {"finite": one.finite, "relative to the truth": one.relative_rate, "all three limits": one.rate}
        shown |= {LABELS[name]: share for name, share in one.passing.items()}
        shown["true coordinates: all three limits"] = one.true_rate
        return shown | {f"true coordinates: {LABELS[name]}": share for name, share in one.true_passing.items()}

    return {"Share of minisets laid out without collapse": member_table(found, rows)}


def _requirements(slide: OnSlide[CollapseRate]) -> list[Requirement]:
    mean = slide.mean()
    parts = ", ".join(f"{name} {share:.3f}" for name, share in mean.passing.items())
    if math.isfinite(mean.true_rate):
        parts += f"; true coordinates {mean.true_rate:.3f}"
    relative = mean.relative_rate if math.isfinite(mean.relative_rate) else None
    return [
        Requirement("share of finite layouts", mean.finite, 1.0, "at least"),
        Requirement("share without collapse, relative to the truth", relative, HEALTHY_RATE, "at least"),
        Requirement("share without collapse", mean.rate, 0.99, "at least", PUBLISHED, note=parts),
    ]


PROBE = Probe(
    "collapse",
    each_member(lambda model, slide, subject: collapse_rate(model, slide.minisets, subject.node_budget), "collapse"),
    _tables,
    requirements=slide_requirements(_requirements),
)

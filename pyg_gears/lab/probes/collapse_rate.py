"""How many minisets are laid out without collapse."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import MinisetDataset
from pyg_gears.lab.probes.evaluation_batches import Minisets, MinisetTable, evaluation_batches
from pyg_gears.losses.membership import membership
from pyg_gears.metrics import collapse_statistics

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel

LIMITS = {"eigenvalue_ratio": 0.15, "nn_p5": 0.05, "median_distance": 0.6}


class CollapseRate(NamedTuple):
    """Shape statistics of predicted minisets in the gauge, see :func:`pyg_gears.metrics.collapse_statistics`.

    The 5th percentile of the nearest-neighbour distance depends on the number of nodes n: about 2.5 / sqrt(n) on a square
    lattice and 0.32 / sqrt(n) for points drawn at random in a disc, which miss the limit of 0.05 beyond some 40 nodes. Whether
    a miniset could pass is seen from ``truth``.

    Attributes:
        minisets: Number of minisets.
        rate: Share of minisets at or above all three limits.
        passing: Measure -> share of minisets at or above its limit.
        predicted: Measure -> value of every miniset, by number, shape (m,).
        truth: The same for the true coordinates; empty where the minisets do not know their slides.
        true_rate: ``rate`` of the true coordinates; NaN where unknown.
    """

    minisets: int
    rate: float
    passing: dict[str, float]
    predicted: dict[str, Float[np.ndarray, " m"]]
    truth: dict[str, Float[np.ndarray, " m"]]
    true_rate: float


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
    if isinstance(minisets, MinisetDataset):
        slides = {place if s.slide_id is None else s.slide_id: s.pos for place, s in enumerate(minisets.slides)}
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            pos, ptr = model(batch).pos.double().cpu(), membership(batch, int(batch.num_nodes)).ptr.tolist()
            for place, number in enumerate(ids):
                span = slice(ptr[place], ptr[place + 1])
                layouts = {"predicted": pos[span]}
                if slides:
                    layouts["truth"] = slides[int(batch.slide_id[place])].cpu()[batch.node_id[span].cpu()]
                for kind, layout in layouts.items():
                    known = bool(layout.isfinite().all())
                    found = collapse_statistics(layout)._asdict() if known else dict.fromkeys(LIMITS, np.nan)
                    for name in LIMITS:
                        tables[kind].add(name, [number], [found[name]])
    predicted = {name: tables["predicted"].values(name) for name in LIMITS}
    truth = {name: tables["truth"].values(name) for name in LIMITS} if slides else {}
    return CollapseRate(
        minisets=len(minisets),
        rate=_rate(predicted),
        passing={name: float((predicted[name] >= limit).mean()) for name, limit in LIMITS.items()},
        predicted=predicted,
        truth=truth,
        true_rate=_rate(truth) if truth else float("nan"),
    )


def _rate(values: dict[str, Float[np.ndarray, " m"]]) -> float:
    """Share of minisets at or above every limit; a layout that is not finite is below."""
    return float(np.logical_and.reduce([values[name] >= limit for name, limit in LIMITS.items()]).mean())

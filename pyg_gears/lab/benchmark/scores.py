"""The scores of a comparison: the published table's metrics by both definitions, for each part of the cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from pyg_gears.baselines.rivals import Layout
from pyg_gears.metrics import (
    BETTER,
    PUBLISHED_BETTER,
    distance_agreement,
    edge_agreement,
    neighborhood_agreement,
    placed_cells,
    pose_agreement,
    published_scores,
)
from pyg_gears.metrics.layout_pair import MIN_CELLS

OURS = ("spearman", "pearson", "stress_1", "edge_auc", "edge_bap", "shell_f1", "trust_20", "cont_20", "swd", "w1_knn")
"""The columns of the published table, by this package's definitions."""
DIRECTION: dict[str, str] = {key: BETTER[key] for key in (*OURS, "recall_15", "procrustes")} | PUBLISHED_BETTER
"""Every score in order: "up" or "down" is better."""


class Row(NamedTuple):
    """The scores of one layout on one part of the cells.

    Attributes:
        protocol: Name of the protocol.
        method: Name of the layout.
        seed: Seed of the method, and of the halves.
        part: "all", "inside" or "between".
        cells: Cells that were scored: those of the part that the method gave a place.
        scores: Value of every key of ``DIRECTION``.
    """

    protocol: str
    method: str
    seed: int
    part: str
    cells: int
    scores: Mapping[str, float]

    def flat(self) -> dict[str, Any]:
        """One level of keys, for tables."""
        return {key: value for key, value in self._asdict().items() if key != "scores"} | dict(self.scores)


def score_layout(pos: Layout, truth: Layout, *, seed: int = 0) -> dict[str, float]:
    """Scores of a layout; arguments as :func:`~pyg_gears.metrics.evaluate_layout`."""
    distances, edges = distance_agreement(pos, truth, seed=seed), edge_agreement(pos, truth, seed=seed)
    near, pose = neighborhood_agreement(pos, truth, seed=seed), pose_agreement(pos, truth)
    found = {
        **distances._asdict(),
        "edge_auc": edges.auc,
        "edge_bap": edges.bap,
        "shell_f1": edges.shell_f1,
        "trust_20": near.trust,
        "cont_20": near.cont,
        "recall_15": near.recall,
        **pose._asdict(),
        **published_scores(pos, truth, seed=seed),
    }
    return {key: float(found[key]) for key in DIRECTION}


def score_parts(
    pos: Layout, truth: Layout, parts: Mapping[str, Bool[np.ndarray, " n"]], *, seed: int = 0
) -> dict[str, tuple[int, dict[str, float]]]:
    """Number of scored cells and scores of each part; a part of fewer than 6 cells with a place is left out."""
    placed = placed_cells(pos)
    found = {}
    for name, part in parts.items():
        chosen = part & placed
        if chosen.sum() >= MIN_CELLS:
            found[name] = (int(chosen.sum()), score_layout(pos[chosen], truth[chosen], seed=seed))
    return found

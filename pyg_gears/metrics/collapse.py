"""Collapse of a layout: to a line, to a point, into clumps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyg_gears.metrics.distances import pair_sample
from pyg_gears.metrics.layout_pair import LayoutLike, as_layout, in_gauge


class CollapseOutput(NamedTuple):
    """Shape statistics of one layout in the gauge; no truth needed.

    Attributes:
        eigenvalue_ratio: lambda2 / lambda1 of the 2 x 2 covariance, in [0, 1]; a line below 0.01, healthy 0.2-1.
        median_distance: Median pairwise distance; a point (with outliers) below 0.01, healthy about 1.2.
        nn_p5: 5th percentile of the nearest-neighbour distance; 0 when cells lie on one another.
        nn_cv: Coefficient of variation of the nearest-neighbour distance; 0 on a lattice, 0.52 for random points,
            larger in clumps.
    """

    eigenvalue_ratio: float
    median_distance: float
    nn_p5: float
    nn_cv: float


def collapse_statistics(pos: LayoutLike, *, seed: int = 0) -> CollapseOutput:
    """Shape statistics of a layout at mean 0 and RMS radius 1.

    Args:
        pos: Layout, shape (n, 2), any unit.
        seed: Seed of the sample of pairs, drawn only beyond 2000 cells.

    Returns:
        The four numbers, all 0 where every cell lies on one point.
    """
    from scipy.spatial import cKDTree

    x = in_gauge(as_layout(pos, "predicted"))
    small, large = np.linalg.eigvalsh(x.T @ x / len(x))
    i, j = pair_sample(len(x), seed=seed)
    nearest = np.asarray(cKDTree(x).query(x, k=[2])[0]).reshape(-1)
    return CollapseOutput(
        max(float(small), 0.0) / float(large) if large > 0 else 0.0,
        float(np.median(np.linalg.norm(x[i] - x[j], axis=1))),
        float(np.percentile(nearest, 5)),
        float(nearest.std() / nearest.mean()) if nearest.mean() > 0 else 0.0,
    )

"""Agreement of confidence with how well each cell is placed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.metrics.calibration import neighborhood_errors
from pyg_gears.metrics.distances import correlation, pair_distances
from pyg_gears.metrics.layout_pair import LayoutLike, layout_pair
from pyg_gears.metrics.pose import align

NEIGHBORS = 20


class ConfidenceAgreement(NamedTuple):
    """Spearman's rho of confidence with minus a cell's error, in [-1, 1]; above 0, confident cells are placed better."""

    local_rho: float
    position_rho: float


def confidence_agreement(
    confidence: Tensor | NDArray[Any], pos: LayoutLike, truth: LayoutLike, *, seed: int = 0
) -> ConfidenceAgreement:
    """Rank correlation of confidence with how well each cell is placed.

    Args:
        confidence: One number per cell, shape (n,), larger = surer.
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).
        seed: Seed of the pairs that set the layout's scale, drawn only beyond 2000 cells.

    Returns:
        ``local_rho`` against :func:`local_error`, ``position_rho`` against the distance between predicted and true
        position after the best similarity. 0 where the confidence does not vary.

    Raises:
        InputError: unless there is one finite confidence per cell.
    """
    from scipy.stats import rankdata

    values = np.asarray(confidence.detach().cpu() if isinstance(confidence, Tensor) else confidence, dtype=np.float64)
    aligned, true = align(pos, truth)
    expect(
        values.shape == (len(true),),
        f"expected one confidence for each of {len(true)} cells, found shape {values.shape}; pass one number per cell.",
    )
    bad = int((~np.isfinite(values)).sum())
    expect(
        bad == 0,
        f"expected one finite confidence for each of {len(true)} cells, found {bad} with NaN or infinity; drop those cells.",
    )
    rank = rankdata(values)
    displacement = np.linalg.norm(aligned - true, axis=1)
    return ConfidenceAgreement(
        -correlation(rank, rankdata(local_error(pos, truth, seed=seed))), -correlation(rank, rankdata(displacement))
    )


def local_error(pos: LayoutLike, truth: LayoutLike, *, k: int = NEIGHBORS, seed: int = 0) -> Float[np.ndarray, " n"]:
    r"""Error of each cell's distances to its neighbours, true and predicted.

    .. math::
        e_i^2 = \tfrac1{2k} \sum_{j \in kNN^*(i)} (aD_{ij} - D^*_{ij})^2
        + \tfrac1{2k} \sum_{j \in kNN(i)} (aD_{ij} - D^*_{ij})^2

    The predicted neighbours count too: a cell placed among others than its neighbours has an error, even where its true
    neighbours moved with it.

    Args:
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).
        k: Neighbours of each kind, at least 1, cut to n - 1.
        seed: Seed of the pairs that set the scale a, drawn only beyond 2000 cells.

    Returns:
        Errors in units of the truth's RMS radius, shape (n,).

    Raises:
        InputError: for fewer than one neighbour, and as :func:`~pyg_gears.metrics.layout_pair.layout_pair`.
    """
    from scipy.spatial import cKDTree

    check_sizes(k=k)
    pair = layout_pair(pos, truth)
    error, _ = neighborhood_errors(pair, k, seed=seed)
    k = error.shape[1]
    predicted, near = cKDTree(pair.pos).query(pair.pos, k=np.arange(2, k + 2))
    true = np.linalg.norm(pair.truth[near] - pair.truth[:, None], axis=2)
    scale = pair_distances(pair, seed=seed).scale
    return np.sqrt((np.square(error).mean(axis=1) + np.square(scale * predicted - true).mean(axis=1)) / 2)

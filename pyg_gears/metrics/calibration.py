"""Calibration of predicted distances: by bins of distance, and RMSE by scale."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from pyg_gears.errors import expect
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.metrics.distances import pair_distances
from pyg_gears.metrics.layout_pair import LayoutLike, LayoutPair, layout_pair

BINS = 20
SCALES = (10, 20, 50, 100)


class CalibrationCurve(NamedTuple):
    """Per bin of predicted distance: mean predicted and mean true distance (gauge units) and the number of pairs."""

    predicted: Float[np.ndarray, " b"]
    true: Float[np.ndarray, " b"]
    pairs: Int[np.ndarray, " b"]


def calibration_error(pos: LayoutLike, truth: LayoutLike, *, seed: int = 0) -> float:
    r"""How far predicted distances are from the true ones on average, bin by bin.

    Pairs are put into 20 bins of equal size by predicted distance (optimally scaled); the error is

    .. math:: \sum_b \frac{m_b}{m} \left| \overline{aD}_b - \overline{D^*}_b \right| \Big/ \overline{D^*}.

    Args:
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).
        seed: Seed of the sample of pairs, drawn only beyond 2000 cells.

    Returns:
        A share of the mean true distance, >= 0, 0 for a perfect layout.

    Source: the expected calibration error of Guo et al., On calibration of modern neural networks, 2017, with
        distances in place of probabilities.
    """
    curve = calibration_curve(layout_pair(pos, truth), seed=seed)
    gap = np.abs(curve.predicted - curve.true)
    return float((curve.pairs * gap).sum() / (curve.pairs * curve.true).sum())


def calibration_curve(pair: LayoutPair, *, seed: int) -> CalibrationCurve:
    """Mean true distance against mean predicted distance, in 20 bins that hold equally many pairs."""
    distances = pair_distances(pair, seed=seed)
    order = np.argsort(distances.predicted, kind="stable")
    edges = np.linspace(0, order.size, min(BINS, order.size) + 1).astype(int)
    count = np.diff(edges)
    predicted = np.add.reduceat(distances.predicted[order], edges[:-1]) / count
    true = np.add.reduceat(distances.true[order], edges[:-1]) / count
    return CalibrationCurve(predicted, true, count)


def local_rmse(
    pos: LayoutLike, truth: LayoutLike, *, scales: tuple[int, ...] = SCALES, seed: int = 0
) -> dict[int, float]:
    r"""Error of distances within true neighbourhoods of several sizes.

    .. math::
        \mathrm{RMSE}_k = \sqrt{\sum_i \sum_{j \in kNN(i)} (a D_{ij} - D^*_{ij})^2
        \Big/ \sum_i \sum_{j \in kNN(i)} D^{*2}_{ij}}

    The scale a is one for the whole layout (the optimum of Stress-1), so a layout that contracts or tears
    neighbourhoods has a larger error at that scale.

    Args:
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).
        scales: Neighbourhood sizes k, each at least 1 and cut to n - 1.
        seed: Seed of the pairs that set the scale, drawn only beyond 2000 cells.

    Returns:
        k -> RMSE as a share of the RMS true distance at that scale, >= 0.

    Raises:
        InputError: without a scale, for one below 1, and as :func:`~pyg_gears.metrics.layout_pair.layout_pair`.
    """
    expect(len(scales) > 0, "expected at least one neighbourhood size, found none; pass scales such as (10, 50).")
    for scale in scales:
        check_sizes(scale=scale)
    pair = layout_pair(pos, truth)
    error, true = neighborhood_errors(pair, max(scales), seed=seed)
    total = {k: np.square(true[:, :k]).sum() for k in scales}
    return {k: float(np.sqrt(np.square(error[:, :k]).sum() / max(total[k], np.finfo(float).tiny))) for k in scales}


def neighborhood_errors(
    pair: LayoutPair, k: int, *, seed: int
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """``a D - D*`` and ``D*`` of every cell and its k nearest true neighbours, nearest first; k is cut to n - 1."""
    near = nearest_neighbors(torch.from_numpy(pair.truth), k)
    true = near.distance.numpy()
    predicted = np.linalg.norm(pair.pos[near.index.numpy()] - pair.pos[:, None], axis=2)
    return pair_distances(pair, seed=seed).scale * predicted - true, true

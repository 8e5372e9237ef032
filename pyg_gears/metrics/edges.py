"""Neighbour pairs found by predicted distance: edge ROC-AUC, balanced AP, shell F1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pyg_gears.metrics.distances import PairDistances, pair_distances
from pyg_gears.metrics.layout_pair import LayoutLike, LayoutPair, layout_pair, neighborhood_size

EDGE_NEIGHBORS = 20
SHELL_NEIGHBORS = (5, 10, 20, 50, 100)

# Spots on a lattice share their distances up to rounding; a radius is moved off such a tie.
TIE = 1e-4


class EdgeAgreement(NamedTuple):
    """Edge ROC-AUC, balanced average precision (chance 0.5; NaN where a class is empty) and macro F1 of the shells."""

    auc: float
    bap: float
    shell_f1: float


class RocCurve(NamedTuple):
    """False and true positive rates at every distinct score, from (0, 0) to (1, 1)."""

    false_positive: Float[np.ndarray, " t"]
    true_positive: Float[np.ndarray, " t"]


def edge_agreement(pos: LayoutLike, truth: LayoutLike, *, seed: int = 0) -> EdgeAgreement:
    r"""How well predicted distances find the true neighbours.

    Pairs with :math:`D^* < R_{20}` (median radius of the 20 nearest true neighbours) are positives, scored by -D. The
    balanced average precision weighs both classes equally,

    .. math::
        \mathrm{bAP} = \sum_t (\mathrm{TPR}_t - \mathrm{TPR}_{t-1})
        \frac{\mathrm{TPR}_t}{\mathrm{TPR}_t + \mathrm{FPR}_t},

    so that its chance level is 0.5 for any number of cells. Shell F1 assigns each pair to one of six distance shells,
    bounded by the median 5-, 10-, 20-, 50- and 100-neighbour radii of the truth (the outermost is open), by true and by
    optimally scaled predicted distance, and averages F1 over the shells that occur.

    Args:
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).
        seed: Seed of the sample of pairs, drawn only beyond 2000 cells.

    Returns:
        The three scores, all better when larger.
    """
    pair = layout_pair(pos, truth)
    distances = pair_distances(pair, seed=seed)
    curve = roc_curve(pair, distances)
    f1 = shell_f1(pair, distances)
    if not curve.true_positive.size:
        return EdgeAgreement(float("nan"), float("nan"), f1)
    from sklearn.metrics import auc

    # From the curve: average_precision_score with balanced weights is the same and sorts two million pairs again.
    true_positive, false_positive = curve.true_positive[1:], curve.false_positive[1:]
    precision = true_positive / (true_positive + false_positive)
    bap = np.sum(np.diff(curve.true_positive) * precision)
    return EdgeAgreement(float(auc(curve.false_positive, curve.true_positive)), float(bap), f1)


def roc_curve(pair: LayoutPair, distances: PairDistances) -> RocCurve:
    """The ROC curve of -D for the pairs closer than R20; empty where one class is empty."""
    from sklearn import metrics

    radius = neighbor_radii(pair.truth, (neighborhood_size(len(pair.truth), EDGE_NEIGHBORS),))[0]
    positive = distances.true < radius * (1 - TIE)
    if positive.all() or not positive.any():
        return RocCurve(np.empty(0), np.empty(0))
    return RocCurve(*metrics.roc_curve(positive, -distances.predicted, drop_intermediate=False)[:2])


def shell_f1(pair: LayoutPair, distances: PairDistances) -> float:
    """Macro F1 of assigning the pairs to the true distance shells."""
    from sklearn.metrics import f1_score

    n = len(pair.truth)
    radii = neighbor_radii(pair.truth, tuple(k for k in SHELL_NEIGHBORS if k < n))
    bounds = np.unique(radii) * (1 + TIE)
    true, predicted = np.digitize(distances.true, bounds), np.digitize(distances.predicted, bounds)
    return float(f1_score(true, predicted, average="macro"))


def neighbor_radii(truth: Float[np.ndarray, "n 2"], counts: tuple[int, ...]) -> Float[np.ndarray, " r"]:
    """Median over the cells of the distance to the k-th nearest other cell, for each k of ``counts``."""
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(truth).query(truth, k=[k + 1 for k in counts])
    return np.median(distance, axis=0)

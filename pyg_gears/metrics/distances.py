"""Agreement of all pairwise distances: Spearman, Pearson, Stress-1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pyg_gears.metrics.layout_pair import LayoutLike, LayoutPair, layout_pair
from pyg_gears.seeds import check_seed

MAX_PAIRS = 2_000_000


class PairDistances(NamedTuple):
    """Distances of the same pairs in both layouts, shape (m,); ``predicted`` already carries the optimal ``scale``."""

    predicted: Float[np.ndarray, " m"]
    true: Float[np.ndarray, " m"]
    scale: float


class DistanceAgreement(NamedTuple):
    """Correlations in [-1, 1] (0 where the prediction has no extent) and Stress-1 in [0, 1]."""

    spearman: float
    pearson: float
    stress_1: float


def distance_agreement(pos: LayoutLike, truth: LayoutLike, *, seed: int = 0) -> DistanceAgreement:
    r"""Compare predicted distances D with true ones D* over pairs of cells.

    .. math:: \mathrm{Stress}_1 = \sqrt{\sum (D^* - a D)^2 / \sum D^{*2}}, \quad a = \sum D D^* / \sum D^2

    Args:
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).
        seed: Seed of the sample of pairs, drawn only beyond 2000 cells.

    Returns:
        Spearman's and Pearson's correlation of the pairs and Stress-1 at the optimal scale a.

    Source: Kruskal, Multidimensional scaling by optimizing goodness of fit to a nonmetric hypothesis, 1964.
    """
    from scipy.stats import rankdata

    predicted, true, _ = pair_distances(layout_pair(pos, truth), seed=seed)
    stress = np.sqrt(np.square(true - predicted).sum() / np.square(true).sum())
    return DistanceAgreement(
        correlation(rankdata(predicted), rankdata(true)), correlation(predicted, true), float(stress)
    )


def pair_distances(pair: LayoutPair, *, seed: int, max_pairs: int = MAX_PAIRS) -> PairDistances:
    """Distances of all pairs up to ``max_pairs``, else of a sample of pairs (with replacement) fixed by the seed."""
    i, j = pair_sample(len(pair.truth), seed=seed, max_pairs=max_pairs)
    predicted = np.linalg.norm(pair.pos[i] - pair.pos[j], axis=1)
    true = np.linalg.norm(pair.truth[i] - pair.truth[j], axis=1)
    scale = optimal_scale(predicted, true)
    return PairDistances(scale * predicted, true, scale)


def pair_sample(
    n: int, *, seed: int, max_pairs: int = MAX_PAIRS
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """The two ends of the pairs that are compared: every pair once, or ``max_pairs`` draws of two different cells.

    Raises:
        InputError: for a seed that is no whole number of at least 0, whether or not it is needed.
    """
    check_seed(seed)
    if n * (n - 1) // 2 <= max_pairs:
        i, j = np.triu_indices(n, 1)
        return i, j
    generator = np.random.default_rng(seed)
    i = generator.integers(n, size=max_pairs)
    return i, (i + generator.integers(1, n, size=max_pairs)) % n


def optimal_scale(predicted: Float[np.ndarray, " m"], true: Float[np.ndarray, " m"]) -> float:
    """The a that minimises ``sum (true - a predicted)^2``; 0 for a prediction without extent."""
    square = float(predicted @ predicted)
    return float(predicted @ true) / square if square > 0 else 0.0


def correlation(x: Float[np.ndarray, " m"], y: Float[np.ndarray, " m"]) -> float:
    """Pearson's correlation, 0 where one side does not vary."""
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    # Equal distances leave rounding errors, not exact zeros.
    varies = norm > 1e-12 * len(x)
    return float(np.clip(x @ y / norm, -1.0, 1.0)) if varies else 0.0

"""Confidence of a cell: what a spread like its own turned out to be worth where the truth was known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pyg_gears.errors import expect

UNCALIBRATED_SPREAD = 0.25
"""Spread at which the uncalibrated confidence has fallen to 1/e."""


@dataclass(frozen=True)
class ConfidenceCalibration:
    """A falling step-free curve from spread to confidence, both stored as plain arrays.

    Uncalibrated (no knots) it is exp(-spread / 0.25): it orders the cells, and its level means nothing.
    """

    spread: tuple[float, ...] = ()
    """Knots of the spread, ascending."""
    confidence: tuple[float, ...] = ()
    """Confidence at the knots, in [0, 1], never rising."""

    @classmethod
    def fit(cls, spread: Float[np.ndarray, " n"], quality: Float[np.ndarray, " n"]) -> ConfidenceCalibration:
        """Isotonic regression of the quality on the spread, on a section whose truth is known.

        Args:
            spread: Raw spread of each cell, shape (n,), finite.
            quality: What its place was worth, shape (n,), see :func:`row_spearman`; clipped to [0, 1].

        Returns:
            The calibration; predictions between the knots are linear.
        """
        from sklearn.isotonic import IsotonicRegression

        spread, quality = np.asarray(spread, dtype=np.float64), np.asarray(quality, dtype=np.float64)
        expect(
            spread.ndim == 1 and spread.shape == quality.shape and len(spread) > 0,
            f"expected one spread and one quality a cell, found shapes {spread.shape} and "
            f"{quality.shape}; pass equal lengths",
        )
        expect(
            bool(np.isfinite(spread).all() and np.isfinite(quality).all()),
            "expected finite spread and quality, found others; drop those cells",
        )
        curve = IsotonicRegression(increasing=False, y_min=0.0, y_max=1.0, out_of_bounds="clip")
        curve.fit(spread, np.clip(quality, 0.0, 1.0))
        return cls(tuple(map(float, curve.X_thresholds_)), tuple(map(float, curve.y_thresholds_)))

    def predict(self, spread: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Confidence of each cell, shape (n,), in [0, 1]; beyond the knots the last value holds."""
        spread = np.asarray(spread, dtype=np.float64)
        if not self.spread:
            return np.exp(-np.maximum(spread, 0.0) / UNCALIBRATED_SPREAD)
        return np.interp(spread, self.spread, self.confidence)

    @property
    def calibrated(self) -> bool:
        """Whether it was fitted on a section with a truth."""
        return bool(self.spread)

    def state_dict(self) -> dict[str, list[float]]:
        """Plain lists, fit for JSON."""
        return {"spread": list(self.spread), "confidence": list(self.confidence)}

    @classmethod
    def from_state_dict(cls, state: dict[str, Any]) -> ConfidenceCalibration:
        """The calibration that :meth:`state_dict` described."""
        return cls(tuple(map(float, state["spread"])), tuple(map(float, state["confidence"])))


def row_spearman(
    pos: Float[np.ndarray, "n 2"], truth: Float[np.ndarray, "n 2"], sample: int = 1000, seed: int = 0
) -> Float[np.ndarray, " n"]:
    """For every cell, the rank correlation between its predicted and true distances to the other cells.

    Args:
        pos: Layout, shape (n, 2), any pose and unit.
        truth: True coordinates, shape (n, 2).
        sample: Distances are taken to this many cells, the same for all (all cells, if there are no more).
        seed: Chooses them.

    Returns:
        Spearman's rho of each cell, shape (n,), in [-1, 1]; 0 where one side has only equal distances.
    """
    from scipy.stats import rankdata

    pos, truth = np.asarray(pos, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    expect(
        pos.shape == truth.shape,
        f"expected two layouts of one shape, found {pos.shape} and {truth.shape}; align the cells",
    )
    n = len(pos)
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[: min(sample, n)])
    quality = np.zeros(n)
    for first in range(0, n, 512):
        rows = np.arange(first, min(first + 512, n))
        ranks = []
        # The cell itself is nearest on both sides: it takes the first rank and leaves the order of the others alone.
        other = rows[:, None] != chosen[None, :]
        for layout in (pos, truth):
            gap = layout[rows, None] - layout[None, chosen]
            distance = np.where(other, np.hypot(gap[..., 0], gap[..., 1]), -1.0)
            rank = np.where(other, rankdata(distance, axis=1), 0.0)
            mean = rank.sum(axis=1) / np.maximum(other.sum(axis=1), 1)
            ranks.append(np.where(other, rank - mean[:, None], 0.0))
        a, b = ranks
        norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        quality[rows] = np.divide((a * b).sum(axis=1), norm, out=np.zeros(len(rows)), where=norm > 1e-9)
    return np.clip(quality, -1.0, 1.0)


def neighborhood_quality(
    pos: Float[np.ndarray, "n 2"], truth: Float[np.ndarray, "n 2"], k: int = 20
) -> Float[np.ndarray, " n"]:
    r"""For every cell, how near its neighbours in the layout truly are: the local companion of :func:`row_spearman`.

    .. math:: q_i = 1 - \frac{\bar r_i - a}{n/2 - a}, \quad a = (k + 1) / 2

    with :math:`\bar r_i` the mean rank (1 to n - 1, ties averaged), by true distance from the cell, of its k nearest
    cells in the layout. The best mean rank is a, that of random cells n / 2.

    Args:
        pos: Layout, shape (n, 2), any pose and unit.
        truth: True coordinates, shape (n, 2).
        k: Neighbours; clipped to a third of the other cells, so that chance and perfection differ.

    Returns:
        Shape (n,): 1 where the neighbours are the true ones, 0 where they are random cells, negative where they are
        worse; 1 for fewer than 3 cells, where nothing can be wrong.
    """
    from scipy.stats import rankdata

    pos, truth = np.asarray(pos, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    expect(
        pos.shape == truth.shape,
        f"expected two layouts of one shape, found {pos.shape} and {truth.shape}; align the cells",
    )
    n = len(pos)
    if n < 3:
        return np.ones(n)
    k = max(1, min(k, (n - 1) // 3))
    best = (k + 1) / 2
    quality = np.zeros(n)
    for first in range(0, n, 512):
        rows = np.arange(first, min(first + 512, n))
        length = []
        for layout in (pos, truth):
            gap = layout[rows, None] - layout[None]
            distance = np.hypot(gap[..., 0], gap[..., 1])
            distance[np.arange(len(rows)), rows] = np.inf  # the cell itself comes last, out of everybody's way
            length.append(distance)
        near = np.argsort(length[0], axis=1, kind="stable")[:, :k]
        rank = np.take_along_axis(rankdata(length[1], axis=1), near, axis=1)
        quality[rows] = 1 - (rank.mean(axis=1) - best) / (n / 2 - best)
    return quality

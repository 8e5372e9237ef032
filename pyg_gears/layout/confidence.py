"""Confidence of a cell: the quality that cells of the same uncertainty reached on sections whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from pyg_gears.errors import expect
from pyg_gears.seeds import check_seed

UNCALIBRATED_SCATTER = 0.25
"""Scatter at which the uncalibrated confidence has fallen to 1/e."""


@dataclass(frozen=True)
class ConfidenceCalibration:
    """A falling, piecewise linear curve from scatter to confidence, both stored as plain numbers.

    Scatter is the raw uncertainty of a cell's place (:meth:`TrainingSupport.scatter`).

    Uncalibrated (no knots) it is exp(-scatter / 0.25): it orders the cells, but its level has no meaning.
    """

    scatter: tuple[float, ...] = ()
    """Knots of the scatter, ascending."""
    confidence: tuple[float, ...] = ()
    """Confidence at the knots, in [0, 1], never rising."""

    @classmethod
    def fit(cls, scatter: Float[np.ndarray, " n"], quality: Float[np.ndarray, " n"]) -> ConfidenceCalibration:
        """Isotonic regression of the quality on the scatter, on sections whose truth is known.

        Args:
            scatter: Scatter of each cell, shape (n,), finite.
            quality: Quality of its place, shape (n,), for instance :func:`row_spearman`; clipped to [0, 1].

        Returns:
            The calibration; predictions between the knots are linear.

        Raises:
            InputError: for unequal lengths, no cells, or values that are not finite.
        """
        from sklearn.isotonic import IsotonicRegression

        scatter, quality = np.asarray(scatter, dtype=np.float64), np.asarray(quality, dtype=np.float64)
        expect(
            scatter.ndim == 1 and scatter.shape == quality.shape and len(scatter) > 0,
            f"expected one scatter and one quality per cell, found shapes {scatter.shape} and {quality.shape}; "
            "pass equal lengths.",
        )
        bad = int((~(np.isfinite(scatter) & np.isfinite(quality))).sum())
        expect(bad == 0, f"expected finite scatter and quality, found {bad} cells without; drop those cells.")
        curve = IsotonicRegression(increasing=False, y_min=0.0, y_max=1.0, out_of_bounds="clip")
        curve.fit(scatter, np.clip(quality, 0.0, 1.0))
        return cls(tuple(map(float, curve.X_thresholds_)), tuple(map(float, curve.y_thresholds_)))

    def predict(self, scatter: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Confidence of each cell, shape (n,), in [0, 1]; beyond the knots the last value holds."""
        scatter = np.asarray(scatter, dtype=np.float64)
        if not self.scatter:
            return np.exp(-np.maximum(scatter, 0.0) / UNCALIBRATED_SCATTER)
        return np.interp(scatter, self.scatter, self.confidence)

    @property
    def calibrated(self) -> bool:
        """Whether it was fitted on a section with a truth."""
        return bool(self.scatter)

    def state_dict(self) -> dict[str, list[float]]:
        """Plain lists, as JSON can hold them; the scatter is named "spread" there, as in the models of earlier releases."""
        return {"spread": list(self.scatter), "confidence": list(self.confidence)}

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

    Raises:
        InputError: for layouts of unequal shape, or a seed that is no whole number of at least 0.
    """
    from scipy.stats import rankdata

    pos, truth = np.asarray(pos, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    expect(
        pos.shape == truth.shape,
        f"expected two layouts of one shape, found {pos.shape} and {truth.shape}; align the cells.",
    )
    check_seed(seed)
    n = len(pos)
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[: min(sample, n)])
    quality = np.zeros(n)
    for first in range(0, n, 512):
        rows = np.arange(first, min(first + 512, n))
        ranks = []
        # The cell itself is nearest on both sides: it takes the first rank and does not change the order of the others.
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

"""The difference of moments as its formula is written, for the tests of the function and of what is trained by it."""

from __future__ import annotations

import numpy as np


def slow_moments(x: np.ndarray, y: np.ndarray) -> float:
    """Squared differences of means and covariances, means over their entries."""
    c = x.shape[1]
    total = 0.0
    for k in range(c):
        total += (sum(x[:, k]) / len(x) - sum(y[:, k]) / len(y)) ** 2 / c
        for m in range(c):
            entries = [
                sum((row[k] - z[:, k].mean()) * (row[m] - z[:, m].mean()) for row in z) / (len(z) - 1) for z in (x, y)
            ]
            total += (entries[0] - entries[1]) ** 2 / c**2
    return total

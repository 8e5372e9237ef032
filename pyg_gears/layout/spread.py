"""How far the measurements of one distance lie apart, as the published system counts it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

FEW = 4
"""Measurements below which quantiles say nothing."""


def relative_spread(
    value: Float[np.ndarray, " t"], group: Int[np.ndarray, " t"], groups: int
) -> Float[np.ndarray, " g"]:
    r"""Spread of each group over its median.

    .. math:: \frac{q_{90} - q_{10}}{\mathrm{median}} \text{ of four or more values}, \quad
        \frac{\mathrm{std}}{\mathrm{median}} \text{ of fewer}

    Quantiles are interpolated linearly; the standard deviation is that of the values themselves (divided by their number).

    Args:
        value: Measured distances, above 0, shape (t,).
        group: Group of each, 0..groups-1, none empty.
        groups: Number of groups.

    Returns:
        One value per group, shape (groups,); 0 for a single measurement.

    Source: the published GEARS code.
    """
    order = np.lexsort((value, group))
    value, group = value[order].astype(np.float64), group[order]
    count = np.bincount(group, minlength=groups)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])

    def quantile(share: float) -> Float[np.ndarray, " g"]:
        place = share * (count - 1)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, count - 1)
        return value[first + low] + (place - low) * (value[first + high] - value[first + low])

    mean = np.bincount(group, value, groups) / count
    deviation = np.sqrt(np.bincount(group, (value - mean[group]) ** 2, groups) / count)
    width = np.where(count < FEW, deviation, quantile(0.9) - quantile(0.1))
    found: Float[np.ndarray, " g"] = width / np.maximum(quantile(0.5), np.finfo(np.float64).tiny)
    return found

"""The weighted median of many groups at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def weighted_median(
    value: Float[np.ndarray, " t"], weight: Float[np.ndarray, " t"], group: Int[np.ndarray, " t"], groups: int
) -> Float[np.ndarray, " g"]:
    """Weighted median of each group: the cumulated weight of the sorted values, interpolated at one half.

    With equal weights it is the ordinary median (the mean of the two middle values for an even number).

    Args:
        value: Values, shape (t,).
        weight: Positive weights, shape (t,).
        group: Group of each value, 0..groups-1, none empty.
        groups: Number of groups.

    Returns:
        One value per group, shape (groups,).
    """
    order = np.lexsort((value, group))
    value, weight, group = value[order], weight[order], group[order]
    last = np.searchsorted(group, np.arange(groups), side="right") - 1
    first = np.searchsorted(group, np.arange(groups), side="left")
    total = np.cumsum(weight)
    before = (total - weight)[first]
    middle = (total - weight / 2 - before[group]) / (total[last] - before)[group]
    # The first value of each group whose middle has passed one half; the sum over the group counts those that have not.
    upper = first + np.minimum(np.bincount(group, middle < 0.5, groups).astype(np.int64), last - first)
    lower = np.maximum(upper - 1, first)
    span = middle[upper] - middle[lower]
    share = np.where((span > 0) & (middle[upper] >= 0.5), (0.5 - middle[lower]) / np.where(span > 0, span, 1.0), 1.0)
    share = np.clip(share, 0.0, 1.0)
    return value[lower] + share * (value[upper] - value[lower])

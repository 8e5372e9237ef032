"""Whether a table of expression holds counts, or values that were made from counts."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from pyg_gears.typing import FloatArray, IntArray

ROWS = 300
BLOCK = 1 << 20
EQUAL_SUMS = 2e-3
LARGEST_RATIO = 20.0
NEAR = 0.04
MULTIPLES = 0.9
LEAST_VALUES = 10
EXACT = 1e-3


class _Inverse(NamedTuple):
    """What undoes a normalisation, up to a factor for each row."""

    name: str
    function: Callable[[FloatArray], FloatArray]
    largest: float


class _Unit(Enum):
    """What the values of a table are multiples of: nothing, one number, or a number of each row's own."""

    NONE = 0
    SHARED = 1
    OWN = 2


INVERSES = (
    _Inverse("values scaled to one total in every row", lambda x: x, np.inf),
    _Inverse("log-normalised values", np.expm1, 50.0),
    _Inverse("log2-normalised values", lambda x: np.exp2(x) - 1, 60.0),
    _Inverse("log10-normalised values", lambda x: np.power(10.0, x) - 1, 20.0),
    _Inverse("roots of counts", np.square, 1e8),
)


def is_integer(counts: csr_array) -> bool:
    """Whether all entries are whole numbers, up to the rounding of what passed through a float."""
    # In blocks: the rounded values need not be held all at once.
    starts = range(0, len(counts.data), BLOCK)
    return all(_are_rounded_wholes(counts.data[start : start + BLOCK]) for start in starts)


def _are_rounded_wholes(values: FloatArray) -> bool:
    whole = np.rint(values)
    if (values == whole).all():
        return True
    return bool((np.abs(values - whole) <= np.minimum(1e-3, 1e-4 * np.abs(values))).all())


def normalisation(counts: csr_array) -> str | None:
    """What non-negative values are, if they were plainly made from counts; None for counts and corrected counts.

    Whole numbers are counts. Others are not when, after an inverse f of a usual normalisation (none, the exponentials,
    the square),

        sum_g f(x_ig) is the same for every row i, or
        f(x_ig) = c_ig u_i for small whole numbers c_ig, with a unit u_i of the row (without f: one that differs from
        row to row), or f(x_ig) is whole everywhere:

    a row that was divided by its total keeps both, and the second where genes were left out afterwards. Counts corrected
    for ambient RNA and continuous measurements show neither; halves of reads that match two genes share one unit.

    Args:
        counts: Values, shape (n, g), canonical, finite, at least 0.

    Returns:
        A phrase such as "log-normalised values", or None.
    """
    if is_integer(counts):
        return None
    rows = evenly_filled_rows(counts, ROWS)
    values = [counts.data[counts.indptr[row] : counts.indptr[row + 1]].astype(np.float64) for row in rows]
    if _unit(values) is _Unit.SHARED:
        return None
    largest = max(row.max() for row in values)
    for inverse in INVERSES:
        if largest > inverse.largest:
            continue
        undone = [inverse.function(row) for row in values]
        sums = np.array([row.sum() for row in undone])
        equal = len(sums) >= 3 and bool(sums.std() <= EQUAL_SUMS * sums.mean())
        if equal or _unit(undone) is not _Unit.NONE or _are_whole(np.concatenate(undone)):
            return inverse.name
    return None


def evenly_filled_rows(counts: csr_array, count: int) -> IntArray:
    """Numbers of at most ``count`` rows that have entries, spread evenly over all of these."""
    filled = np.flatnonzero(np.diff(counts.indptr))
    return filled[np.unique(np.linspace(0, len(filled) - 1, count).astype(int))] if len(filled) else filled


def _unit(rows: list[FloatArray]) -> _Unit:
    """Whether the values of most rows are small multiples of a unit, and of which.

    Args:
        rows: Positive values of each row.
    """
    shares, units = [], []
    known = 0
    for row in rows:
        different = np.unique(row)
        ratios = different[1:] / different[0]
        ratios = ratios[ratios <= LARGEST_RATIO]
        if len(ratios) < 2:
            continue
        # The smallest value of a row may stand for two or three counts.
        found = [_near_whole(ratios * times) for times in (1, 2, 3)]
        best = int(np.argmax(found))
        shares.append(found[best])
        units.append(different[0] / (best + 1))
        known += len(ratios)
    if known < LEAST_VALUES or np.mean(shares) < MULTIPLES:
        return _Unit.NONE
    return _Unit.SHARED if _near_whole(np.array(units) / min(units)) >= MULTIPLES else _Unit.OWN


def _are_whole(values: FloatArray) -> bool:
    """Whether values are whole numbers, with evidence for it."""
    small = values[values <= 1 / EXACT]
    return len(small) >= LEAST_VALUES and bool(((small > 0.5) & (np.abs(small - np.rint(small)) <= EXACT)).all())


def _near_whole(values: FloatArray) -> float:
    return float((np.abs(values - np.rint(values)) <= NEAR).mean())

"""Tables of the text reports: numbers with three decimals, undefined ones as dashes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def text_table(title: str, frame: pd.DataFrame) -> str:
    """Title, then the table with aligned columns; floats formatted by :func:`number`, None and NaN as ``--``."""
    lines = frame.apply(lambda column: column.map(cell)).to_string().splitlines()
    return "\n".join([title, *(line.rstrip() for line in lines)]) + "\n"


def cell(value: Any) -> str:
    """Text of one entry."""
    if value is None:
        return "--"
    return number(float(value)) if isinstance(value, float | np.floating) else str(value)


def number(value: float | None) -> str:
    """Three decimals; four below 0.01, three significant digits from 100 on.

    >>> [number(value) for value in (0.12345, 0.00123, 1234.5, float("nan"))]
    ['0.123', '0.0012', '1.23e+03', '--']
    """
    if value is None or math.isnan(value):
        return "--"
    if abs(value) >= 100:
        return f"{value:.3g}"
    return f"{value:.3f}" if abs(value) >= 0.01 else f"{round(value, 4) + 0.0:.4f}"


def mean_and_deviation(values: Sequence[float | None]) -> str:
    """Mean over the members of an ensemble, with the standard deviation where there are several.

    >>> mean_and_deviation([0.5, 0.6]), mean_and_deviation([0.5]), mean_and_deviation([None])
    ('0.550 +- 0.050', '0.500', '--')
    """
    known = [value for value in values if value is not None and not math.isnan(value)]
    if not known:
        return "--"
    mean = number(float(np.mean(known)))
    return f"{mean} +- {np.std(known):.3f}" if len(values) > 1 else mean

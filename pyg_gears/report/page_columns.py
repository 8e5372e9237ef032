"""Columns of ``obs`` by which a page colours cells: numbers, or categories with a name each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pyg_gears.report.packed_values import packed_codes, packed_numbers

if TYPE_CHECKING:
    from pandas import DataFrame, Series

MAX_CATEGORIES = 254
"""More are no categories but names: nobody tells so many colours apart, and one byte holds no more."""
FEW = 12
"""Whole numbers with at most so many values are labels (clusters), not amounts."""


class PageColumns(NamedTuple):
    """Columns on the page, and why others are not."""

    columns: list[dict[str, Any]]
    left_out: dict[str, str]


def page_columns(obs: DataFrame, budget: int, skip: tuple[str, ...] = ()) -> PageColumns:
    """Every column that can be shown, in the file's order, until the budget is used up.

    Args:
        obs: The cells on the page.
        budget: Characters that the columns may take.
        skip: Columns that the page shows elsewhere.

    Returns:
        Columns (``name``, ``kind`` "number" or "category", packed values) and the reasons for those left out.
    """
    columns: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    left = budget
    for name in obs.columns:
        if name in skip:
            continue
        column = _column(str(name), obs[name])
        if column is None:
            left_out[str(name)] = f"more than {MAX_CATEGORIES} different values that are no numbers"
        elif len(column["data"]) > left:
            left_out[str(name)] = "no room on the page"
        else:
            left -= len(column["data"])
            columns.append(column)
    return PageColumns(columns, left_out)


def _column(name: str, series: Series) -> dict[str, Any] | None:
    import pandas as pd

    numeric = pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series)
    whole = pd.api.types.is_integer_dtype(series)
    if numeric and not (whole and series.nunique() <= FEW):
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return {"name": name, "kind": "number", **packed_numbers(values)}
    codes, labels = pd.factorize(_labels(series))
    if len(labels) > MAX_CATEGORIES:
        return None
    # By falling size, so that the first colours go to most cells.
    size = np.bincount(codes[codes >= 0], minlength=len(labels))
    order = np.argsort(-size, kind="stable")
    rank = np.full(len(labels) + 1, MAX_CATEGORIES + 1)
    rank[order] = np.arange(len(labels))
    return {
        "name": name,
        "kind": "category",
        "labels": [str(labels[i]) for i in order],
        **packed_codes(rank[codes], 8),
    }


def _labels(series: Series) -> np.ndarray:
    """Values as text, None where there is none."""
    import pandas as pd

    text = series.astype(object)
    return np.array([None if missing else str(v) for v, missing in zip(text, pd.isna(text), strict=True)], dtype=object)

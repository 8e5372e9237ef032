"""Columns of ``obs`` as text, whatever their type in the file."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from pyg_gears.data.io.source import Source
from pyg_gears.typing import IntArray

MISSING = frozenset(("", "nan", "<na>", "none"))


def plain_name(name: str) -> str:
    """A name in lower case without digits, punctuation and spaces, to be compared with others."""
    return re.sub(r"[^a-z]", "", name.lower())


def read_column(source: Source, table: str, column: str) -> Any:
    """A column of ``"obs"`` or ``"var"``."""
    # Files of anndata before 0.8 keep codes in the column, and their categories in a group beside it.
    if "__categories" in source.keys(table):
        return source.read(table)[column]
    return source.read(f"{table}/{column}")


def rows_by_word(words: np.ndarray) -> dict[str, IntArray]:
    """The rows of each word, in the order of their first ones; missing ones are left out."""
    codes, values = pd.factorize(words)
    order = np.argsort(codes, kind="stable")
    stops = np.cumsum(np.bincount(codes + 1, minlength=len(values) + 1))
    return {str(word): order[stops[i] : stops[i + 1]] for i, word in enumerate(values)}


def obs_words(column: Any) -> np.ndarray:
    """Values of a column as an object array of text; None for missing ones, which text may say too ("nan")."""
    values = pd.Series(column).to_numpy(dtype=object)
    missing = pd.isna(values)
    words = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        words[i] = None if missing[i] or text.strip().lower() in MISSING else text.strip()
    return words

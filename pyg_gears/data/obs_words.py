"""Columns of ``obs`` as text, whatever their type in the file."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

MISSING = frozenset(("", "nan", "<na>", "none"))


def plain_name(name: str) -> str:
    """A name in lower case without digits, punctuation and spaces, to be compared with others."""
    return re.sub(r"[^a-z]", "", name.lower())


def obs_words(column: Any) -> np.ndarray:
    """Values of a column as an object array of text; None for missing ones, which text may say too ("nan")."""
    values = pd.Series(column).to_numpy(dtype=object)
    missing = pd.isna(values)
    words = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        words[i] = None if missing[i] or text.strip().lower() in MISSING else text.strip()
    return words

"""The counts of a table, as a sparse matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pyg_gears.data.source import Source
from pyg_gears.errors import expect


def read_counts(source: Source) -> csr_array:
    """Raw counts (n, g).

    Raises:
        InputError: for none.
    """
    return _matrix(source.name, source.read("X") if source.has("X") else None)


def _matrix(name: str, x: Any) -> csr_array:
    dtype = getattr(x, "dtype", np.dtype(object))
    found = "none" if x is None else f"{type(x).__name__} of {dtype}"
    expect(dtype.kind in "fiub", f"{name}: expected numeric counts in X, found {found}; put raw counts into X.")
    return csr_array(x)

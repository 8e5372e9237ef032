"""A table block by block of rows, so that one which lies in a file need not be in memory whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

ENTRIES = 2**23
"""Entries of a block; a row that holds more is a block of its own."""


def row_blocks(stored: Any) -> Iterator[Any] | None:
    """Blocks of rows of a stored matrix, in their order; None for what must be read whole.

    Args:
        stored: A dense table in HDF5 or zarr, its group of a sparse matrix, or anndata's sparse dataset. Of sparse matrices only
            those stored by rows (csr) are read in blocks: one stored by columns would be read anew for every block.
    """
    from anndata.abc import CSRDataset
    from anndata.io import sparse_dataset

    if getattr(stored, "attrs", {}).get("encoding-type") == "csr_matrix":
        stored = sparse_dataset(stored)
    if isinstance(stored, CSRDataset):
        return _blocks(stored, np.asarray(stored.group["indptr"][()], dtype=np.int64))
    array = isinstance(stored, h5py.Dataset) or type(stored).__module__.startswith("zarr.")
    if array and len(getattr(stored, "shape", ())) == 2:
        return _blocks(stored, np.arange(stored.shape[0] + 1, dtype=np.int64) * stored.shape[1])
    return None


def _blocks(stored: Any, before: np.ndarray) -> Iterator[Any]:
    """Blocks of at most ``ENTRIES``, given the number of entries before each row."""
    start, rows = 0, len(before) - 1
    while start < rows:
        stop = max(start + 1, int(np.searchsorted(before, before[start] + ENTRIES, side="right")) - 1)
        yield stored[start:stop]
        start = stop

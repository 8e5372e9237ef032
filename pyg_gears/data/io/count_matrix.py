"""A table of expression of any type in memory, as a sparse matrix of float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from pyg_gears.errors import expect
from pyg_gears.typing import IntArray


def count_matrix(name: str, where: str, table: Any, rows: IntArray) -> csr_array:
    """The canonical sparse matrix of a table: dense or sparse, of any width of whole numbers, floats or booleans.

    It may share memory with the table.

    Args:
        name: Name of the slide, for messages.
        where: What the table is, such as "X", for messages.
        table: Array, SciPy matrix, or data frame.
        rows: Rows to keep.

    Raises:
        InputError: for another type, masked entries, or a table that is not two-dimensional.
    """
    expect(
        not np.ma.is_masked(table),
        f"{name}: expected a value in every entry of {where}, found masked ones; fill them.",
    )
    if not issparse(table):
        table = np.asarray(table)
    dtype = np.dtype(table.dtype)
    expect(
        dtype.kind in "fiub",
        f"{name}: expected numeric counts in {where}, found {type(table).__name__} of {dtype}; "
        "convert them, for instance with astype('float32').",
    )
    expect(
        len(table.shape) == 2,
        f"{name}: expected numeric counts in {where} (spots x genes), found shape {tuple(table.shape)}; give both axes.",
    )
    if dtype == np.float16 or not dtype.isnative:
        table = table.astype(np.float32)  # SciPy knows neither
    counts = csr_array(table)
    if not np.array_equal(rows, np.arange(counts.shape[0])):
        counts = counts[rows]
    with np.errstate(over="ignore"):  # what exceeds float32 becomes infinite, and is refused as that
        values = counts.data.astype(np.float32, copy=False)
    counts = csr_array((values, counts.indices, counts.indptr), shape=counts.shape)
    if not counts.has_canonical_format or not values.all():
        counts = counts.copy()  # the caller's matrix stays as it is
        counts.sum_duplicates()
        counts.eliminate_zeros()
    return counts

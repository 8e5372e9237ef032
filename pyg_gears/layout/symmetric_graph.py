"""A symmetric sparse matrix from one triangle of it, without a list of all its entries."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from pyg_gears.layout.connectivity import pieces

ROWS = 2**14
"""Rows that are put together at a time."""


def symmetric_graph(n: int, pairs: Int[np.ndarray, "2 e"], value: Float[np.ndarray, " e"]) -> csr_array:
    """Both directions of every pair, sorted; a zero stays an entry.

    Args:
        n: Rows.
        pairs: Pairs (i < j), each once, in ascending order, shape (2, e).
        value: Value of each, shape (e,).

    Returns:
        Shape (n, n), with 2 e entries.
    """
    begin = np.searchsorted(pairs[0], np.arange(n + 1, dtype=pairs.dtype))
    upper = csr_array((value, pairs[1], begin), shape=(n, n))
    lower = upper.T.tocsr()  # sorted, as the rows of upper come in order
    ptr = upper.indptr.astype(np.int64) + lower.indptr
    data, indices = np.empty(ptr[-1]), np.empty(ptr[-1], dtype=upper.indices.dtype)
    for rows in pieces(n, ROWS):
        for half, ahead in ((lower, np.zeros(n, dtype=np.int64)), (upper, np.diff(lower.indptr))):
            own = slice(half.indptr[rows.start], half.indptr[rows.stop])
            shift = ptr[rows] + ahead[rows] - half.indptr[rows]
            at = np.arange(own.start, own.stop) + np.repeat(shift, np.diff(half.indptr[rows.start : rows.stop + 1]))
            data[at], indices[at] = half.data[own], half.indices[own]
    return csr_array((data, indices, ptr), shape=(n, n))

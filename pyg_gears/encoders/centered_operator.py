"""Centred sparse expression as a linear operator: only a few rows of it are ever dense."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from pyg_gears.typing import FloatArray

ENTRIES = 2_000_000
"""Entries of the rows that are dense at a time."""


def centered_operator(expression: sparse.csr_array, mean: FloatArray) -> LinearOperator:
    r"""The operator :math:`X - 1 m^T` of sparse X, for products with vectors and with thin matrices from both sides.

    Some rows at a time are made dense: a dense product with a few dozen columns takes a fraction of the time of a sparse one.
    Products are in the precision of X; their results are float64.

    Args:
        expression: X, shape (n, g), float32 or float64.
        mean: m, shape (g,).
    """
    mean, (spots, genes) = np.asarray(mean, dtype=np.float64), expression.shape
    rows = max(1, ENTRIES // max(1, genes))
    # Cut once: to take rows costs as much as to make them dense.
    parts = [(slice(i, i + rows), expression[i : i + rows]) for i in range(0, spots, rows)]

    def forward(x: FloatArray) -> FloatArray:
        result, own = np.empty((spots, *x.shape[1:])), x.astype(expression.dtype)
        for part, values in parts:
            result[part] = values.toarray() @ own
        return result - mean @ x

    def backward(y: FloatArray) -> FloatArray:
        result, own = np.multiply.outer(-mean, y.sum(axis=0)), y.astype(expression.dtype)
        for part, values in parts:
            result += values.toarray().T @ own[part]
        return result

    return LinearOperator(
        (spots, genes), matvec=forward, rmatvec=backward, matmat=forward, rmatmat=backward, dtype=np.float64
    )

"""Centred sparse expression as a linear operator: nothing of size spots x genes is ever made dense."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from pyg_gears.typing import FloatArray


def centered_operator(expression: sparse.csr_array, mean: FloatArray) -> LinearOperator:
    r"""The operator :math:`X - 1 m^T` of sparse X, for products with vectors and with thin matrices from both sides.

    Products are in float64, whatever the dtype of X.

    Args:
        expression: X, shape (n, g).
        mean: m, shape (g,).
    """
    # Once here: a product of mixed precision would copy the values every time.
    values = expression.astype(np.float64, copy=False)
    mean = np.asarray(mean, dtype=np.float64)

    def forward(x: FloatArray) -> FloatArray:
        return np.asarray(values @ x - mean @ x)

    def backward(y: FloatArray) -> FloatArray:
        total = y.sum(axis=0)
        return np.asarray(values.T @ y - (np.outer(mean, total) if y.ndim == 2 else mean * total))

    return LinearOperator(
        expression.shape, matvec=forward, rmatvec=backward, matmat=forward, rmatmat=backward, dtype=np.float64
    )

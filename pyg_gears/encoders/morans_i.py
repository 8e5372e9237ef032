"""Spatial autocorrelation of values on a neighbour graph."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import sparse


def morans_i(values: Float[np.ndarray, "n p"], graph: sparse.csr_array) -> Float[np.ndarray, " p"]:
    r"""Moran's I of each column: do neighbours have like values?

    .. math:: I = \frac{n}{\sum_{ij} W_{ij}} \frac{z^T W z}{z^T z}, \quad z = v - \bar v

    Args:
        values: One column per quantity, shape (n, p).
        graph: Weights W of the neighbours, shape (n, n).

    Returns:
        I per column, shape (p,), about -1 / (n - 1) by chance, 1 for smooth regions; NaN for a constant column.

    Source: Moran, Notes on continuous stochastic phenomena, 1950.
    """
    z = np.asarray(values, dtype=np.float64)
    z = z - z.mean(axis=0)
    square = np.square(z).sum(axis=0)
    lag = (z * (graph @ z)).sum(axis=0) * (len(z) / graph.sum())
    return np.divide(lag, square, out=np.full(z.shape[1], np.nan), where=square > 0)

"""Moran's I: how smoothly values vary over a graph."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array


def morans_i(values: Float[np.ndarray, " n *c"], graph: csr_array) -> Float[np.ndarray, "*c"]:
    r"""Spatial autocorrelation of values over a weighted graph.

    .. math:: I = \frac{n}{\sum_{ij} w_{ij}} \frac{\sum_{ij} w_{ij} z_i z_j}{\sum_i z_i^2}, \quad z = v - \bar v

    Args:
        values: Values of the nodes, shape (n,) or (n, c), finite.
        graph: Weights :math:`w_{ij} \ge 0`, shape (n, n), not necessarily symmetric.

    Returns:
        I of every column, shape () or (c,): about -1 / (n - 1) by chance, near 1 where neighbours are alike. NaN for a
        column that does not vary, and for a graph without edges.

    Source: Moran, Notes on continuous stochastic phenomena, 1950.
    """
    v = np.asarray(values, dtype=np.float64)
    z = v - v.mean(axis=0)
    square = np.square(z).sum(axis=0)
    # A constant column leaves rounding errors of its mean, not exact zeros.
    varies = square > np.square(np.abs(v).max(axis=0, initial=0.0)) * 1e-20 * len(v)
    total = float(graph.sum())
    cross = (z * (graph @ z)).sum(axis=0) * len(v)
    return np.divide(cross, square * total, out=np.full(v.shape[1:], np.nan), where=varies & (total > 0))

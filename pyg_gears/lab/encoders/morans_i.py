"""Moran's I over a graph, and the neighbour graph of a slide."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array

from pyg_gears.data.slide import Slide
from pyg_gears.geometry import nearest_neighbors

NEIGHBORS = 15


def morans_i(values: Float[np.ndarray, "n ..."], graph: csr_array) -> Float[np.ndarray, ...]:
    r"""Spatial autocorrelation of values over a weighted graph.

    .. math:: I = \frac{n}{\sum_{ij} w_{ij}} \frac{\sum_{ij} w_{ij} z_i z_j}{\sum_i z_i^2}, \quad z = v - \bar v

    Args:
        values: Values of the nodes, shape (n,) or (n, c), finite.
        graph: Weights, shape (n, n), not necessarily symmetric.

    Returns:
        I of every column; NaN for a column that does not vary.

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


def slide_graph(slide: Slide) -> csr_array:
    """Weight 1 from every spot to its 15 nearest spots, shape (n, n)."""
    assert slide.pos is not None
    near = nearest_neighbors(torch.tensor(slide.pos, dtype=torch.float64), NEIGHBORS).index.numpy()
    n, k = near.shape
    return csr_array((np.ones(n * k), (np.arange(n).repeat(k), near.reshape(-1))), shape=(n, n))

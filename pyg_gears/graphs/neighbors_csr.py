"""Neighbour lists as a sparse matrix."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor


def neighbors_csr(
    index: Int[Tensor, "n k"] | Int[np.ndarray, "n k"],
    values: Float[Tensor, "n k"] | Float[np.ndarray, "n k"] | float = 1.0,
) -> csr_array:
    """The directed graph of neighbour lists: row i holds the neighbours of i.

    Args:
        index: Neighbours of every row, shape (n, k), without repeats within a row.
        values: Weight of each entry, shape (n, k), or one weight for all.

    Returns:
        Matrix of shape (n, n) with n k stored entries (also where a weight is 0), columns ascending.

    >>> neighbors_csr(np.array([[2, 1], [0, 2], [1, 0]])).toarray()[0]
    array([0., 1., 1.])
    """
    columns = index.cpu().numpy() if isinstance(index, Tensor) else np.asarray(index)
    n, k = columns.shape
    weights = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    data = np.broadcast_to(weights, columns.shape).reshape(-1)
    graph = csr_array((data.copy(), columns.reshape(-1).copy(), np.arange(n + 1) * k), shape=(n, n))
    graph.sort_indices()
    return graph


def symmetric_csr(index: Int[Tensor, "n k"] | Int[np.ndarray, "n k"]) -> csr_array:
    """The undirected graph of who is among the neighbours of whom, either way, with weights 1, shape (n, n)."""
    directed = neighbors_csr(index)
    return csr_array(directed.maximum(directed.T))

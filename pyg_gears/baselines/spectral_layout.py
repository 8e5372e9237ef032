"""Laplacian eigenmap: a layout of cells from their own expression graph, without any reference."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from pyg_gears.graphs import knn, symmetric_csr
from pyg_gears.metrics.layout_pair import in_gauge

NEIGHBORS = 15
BRIDGE = 1e-4


def spectral_layout(x: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n 2"]:
    r"""Two eigenvectors of the random walk on the kNN graph, each over :math:`\sqrt{1 - \lambda}`.

    With this weight Euclidean distances approximate commute times. Every pair of cells is joined by an edge of 1e-4 of
    the mean degree over n, so that a graph in pieces has a layout too. The sign of each axis makes its skewness positive.

    Args:
        x: Embedding of the cells, shape (n, c), at least three. The graph joins each to its 15 nearest, undirected, with
            weights 1.

    Returns:
        Layout in the gauge, shape (n, 2).

    Source: Belkin and Niyogi, Laplacian eigenmaps, 2003; bridging edges after Amini et al., Pseudo-likelihood methods
        for community detection in large sparse networks, 2013.
    """
    from scipy.sparse.linalg import LinearOperator, eigsh

    n = len(x)
    graph = symmetric_csr(knn(torch.from_numpy(x), NEIGHBORS, metric="euclidean").index)
    degree: np.ndarray = np.asarray(graph.sum(axis=1)).reshape(-1)
    bridge = BRIDGE * degree.mean()
    root = np.sqrt(degree + bridge)

    def walk(v: np.ndarray) -> np.ndarray:
        u = v.reshape(-1) / root
        return (graph @ u + bridge * u.mean()) / root

    operator = LinearOperator((n, n), matvec=walk, dtype=np.float64)
    # The fixed start makes the result the same every time; it is not an eigenvector of anything.
    start = np.random.default_rng(0).random(n)
    if n > 3:
        value, vector = eigsh(operator, k=3, which="LA", v0=start, tol=1e-6, ncv=min(n, 40))
    else:  # the iteration finds fewer pairs than there are
        value, vector = np.linalg.eigh(operator @ np.eye(n))
    axes = np.argsort(-value)[1:]
    layout = vector[:, axes] / root[:, None] / np.sqrt(np.maximum(1 - value[axes], 1e-12))
    layout = layout - layout.mean(axis=0)
    return in_gauge(layout * np.where((layout**3).sum(axis=0) < 0, -1.0, 1.0))

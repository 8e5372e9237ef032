"""Checks that need no true coordinates: do communities of the layout agree with types, do programmes form regions?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import sparse

from pyg_gears.errors import expect
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.metrics.layout_pair import LayoutLike, as_layout, in_gauge

NEIGHBORS = 15


class PurityOutput(NamedTuple):
    """Share of cells of their community's most frequent type, in (0, 1], and what shuffled types would give.

    Attributes:
        purity: The share; better when larger, but it grows with the number of communities: read it against ``chance``.
        chance: Mean purity of the same communities under 20 shuffles of the types.
        communities: Number of communities found.
    """

    purity: float
    chance: float
    communities: int


def community_purity(
    pos: LayoutLike, types: Sequence[Any] | NDArray[Any], *, k: int = NEIGHBORS, resolution: float = 1.0, seed: int = 0
) -> PurityOutput:
    """Leiden communities of the layout's neighbour graph, compared with cell types.

    Args:
        pos: Layout, shape (n, 2).
        types: One label a cell, n of them.
        k: Neighbours per cell in the layout.
        resolution: Resolution of the modularity; larger finds more communities.
        seed: Seed of Leiden and of the shuffles.

    Returns:
        Purity, its chance level and the number of communities.

    Raises:
        InputError: unless there is one label a cell.
        ImportError: without igraph.

    Source: Traag, Waltman and van Eck, From Louvain to Leiden, 2019.
    """
    labels = np.unique(np.asarray(types).astype(str), return_inverse=True)[1].reshape(-1)
    graph = layout_graph(pos, k)
    expect(
        len(labels) == graph.shape[0],
        f"expected one type for each of {graph.shape[0]} cells, found {len(labels)}; pass the cells' own column.",
    )
    community = leiden(graph, resolution=resolution, seed=seed)
    generator = np.random.default_rng(seed)
    chance = np.mean([_purity(community, generator.permutation(labels)) for _ in range(20)])
    return PurityOutput(_purity(community, labels), float(chance), int(community.max()) + 1)


def leiden(graph: sparse.csr_array, *, resolution: float = 1.0, seed: int = 0) -> Int[np.ndarray, " n"]:
    """Leiden communities (modularity) of an undirected graph, numbered by size; the same for the same seed."""
    try:
        import igraph
    except ImportError as error:
        raise ImportError("Leiden communities need igraph: pip install pyg_gears[eval]") from error
    upper = sparse.coo_array(sparse.triu(graph, k=1))
    edges = igraph.Graph(n=graph.shape[0], edges=np.stack([upper.row, upper.col], axis=1).tolist())
    # igraph draws from one generator of the process; it gets ours for this call and its own default back.
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = edges.community_leiden(objective_function="modularity", resolution=resolution, n_iterations=-1)
    finally:
        igraph.set_random_number_generator(random)
    membership = np.asarray(found.membership)
    by_size = np.argsort(-np.bincount(membership), kind="stable")
    return np.argsort(by_size)[membership]


def morans_i(pos: LayoutLike, values: NDArray[Any], *, k: int = NEIGHBORS) -> Float[np.ndarray, " p"]:
    r"""Spatial autocorrelation of each column of values on a layout.

    .. math:: I = \frac{\sum_i \frac1k \sum_{j \in kNN(i)} z_i z_j}{\sum_i z_i^2}, \quad z = v - \bar v

    A layout made from expression clusters expression by construction: high values say that programmes form regions, not
    that the regions are where they were in the tissue.

    Args:
        pos: Layout, shape (n, 2).
        values: One column a programme (a gene's expression, or the mean of a gene set), shape (n, p).
        k: Neighbours per cell in the layout.

    Returns:
        I per programme, shape (p,), about -1 / (n - 1) by chance, 1 for smooth regions; NaN for a constant column.

    Raises:
        InputError: unless the values are finite, one row a cell.

    Source: Moran, Notes on continuous stochastic phenomena, 1950, with row-normalised neighbour weights.
    """
    x = in_gauge(as_layout(pos, "predicted"))
    v = np.asarray(values, dtype=np.float64)
    expect(
        v.ndim == 2 and len(v) == len(x) and bool(np.isfinite(v).all()),
        f"expected finite values of shape ({len(x)}, programmes), found {v.shape}; pass one row a cell.",
    )
    near = nearest_neighbors(torch.from_numpy(x), k).index.numpy()
    z = v - v.mean(axis=0)
    lag = sum(z[near[:, column]] for column in range(near.shape[1])) / near.shape[1]
    square = np.square(z).sum(axis=0)
    scale = np.square(np.abs(v).max(axis=0)) * 1e-20 * len(v)
    return np.divide((z * lag).sum(axis=0), square, out=np.full(v.shape[1], np.nan), where=square > scale)


def layout_graph(pos: LayoutLike, k: int = NEIGHBORS) -> sparse.csr_array:
    """The undirected graph of who is among the k nearest of whom (either way), with weights 1, shape (n, n)."""
    x = in_gauge(as_layout(pos, "predicted"))
    near = nearest_neighbors(torch.from_numpy(x), k).index.numpy()
    n, width = near.shape
    rows = np.repeat(np.arange(n), width)
    directed = sparse.csr_array((np.ones(near.size), (rows, near.reshape(-1))), shape=(n, n))
    return sparse.csr_array(directed.maximum(directed.T))


def _purity(community: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> float:
    table = np.zeros((community.max() + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(table, (community, labels), 1)
    return float(table.max(axis=1).sum() / len(labels))

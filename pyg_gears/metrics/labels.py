"""Checks that need no true coordinates: agreement of a layout's communities with cell types, regions of programmes."""

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
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.graphs import morans_i, neighbors_csr, symmetric_csr
from pyg_gears.metrics.layout_pair import LayoutLike, as_layout, in_gauge
from pyg_gears.seeds import check_seed

NEIGHBORS = 15
RESOLUTION = 0.2
SHUFFLES = 20


class CommunityOutput(NamedTuple):
    """One community: its number of cells, its most frequent type (the first in order, of equal ones) and that type's share."""

    size: int
    majority: str
    purity: float


class PurityOutput(NamedTuple):
    """Share of cells of their community's most frequent type, in (0, 1], and what shuffled types would give.

    Attributes:
        purity: The share; better when larger, but it grows with the number of communities: compare it with ``chance``.
        chance: Mean purity of the same communities under 20 shuffles of the types.
        communities: Number of communities found.
        table: The communities one by one, the largest first; ``purity`` is the mean of theirs weighted by size.
        community: Number of each cell's community, its row of ``table``, shape (n,).
    """

    purity: float
    chance: float
    communities: int
    table: tuple[CommunityOutput, ...]
    community: Int[np.ndarray, " n"]


def community_purity(
    pos: LayoutLike,
    types: Sequence[Any] | NDArray[Any],
    *,
    k: int = NEIGHBORS,
    resolution: float = RESOLUTION,
    seed: int = 0,
) -> PurityOutput:
    """Leiden communities of the layout's neighbour graph, compared with cell types.

    Args:
        pos: Layout, shape (n, 2).
        types: One label per cell, n of them.
        k: Neighbours per cell in the layout, at least 1, cut to n - 1.
        resolution: Resolution of the modularity, above 0; larger finds more communities.
        seed: Seed of Leiden and of the shuffles.

    Returns:
        Purity, its chance level and every community's size, majority type and purity.

    Raises:
        InputError: unless there is one label per cell, k >= 1, the resolution is above 0 and the seed is a whole number of at
            least 0.
        ImportError: without igraph.

    Source: Traag, Waltman and van Eck, From Louvain to Leiden, 2019; k and resolution as published for this check.
    """
    check_community_options(k, resolution)
    check_seed(seed)
    names, labels = np.unique(np.asarray(types).astype(str), return_inverse=True)
    graph = layout_graph(pos, k)
    expect(
        len(labels) == graph.shape[0],
        f"expected one type for each of {graph.shape[0]} cells, found {len(labels)}; pass the cells' own column.",
    )
    community = leiden(graph, resolution=resolution, seed=seed)
    count = _count(community, labels)
    generator = np.random.default_rng(seed)
    chance = [_purity(_count(community, generator.permutation(labels))) for _ in range(SHUFFLES)]
    table = tuple(
        CommunityOutput(int(row.sum()), str(names[row.argmax()]), float(row.max() / row.sum())) for row in count
    )
    return PurityOutput(_purity(count), float(np.mean(chance)), len(table), table, community)


def check_community_options(k: int, resolution: float) -> None:
    """Refuse options that :func:`community_purity` cannot use.

    Raises:
        InputError: unless k >= 1 and the resolution is above 0 and finite.
    """
    expect(k >= 1, f"expected at least 1 neighbour per cell, found {k}; the published value is {NEIGHBORS}.")
    expect(
        0 < resolution < np.inf,
        f"expected a resolution above 0, found {resolution}; the published value is {RESOLUTION}.",
    )


def leiden(graph: sparse.csr_array, *, resolution: float = RESOLUTION, seed: int = 0) -> Int[np.ndarray, " n"]:
    """Leiden communities (modularity) of an undirected graph, numbered by size; the same for the same seed."""
    try:
        import igraph
    except ImportError as error:
        raise ImportError("Leiden communities need igraph: pip install 'pyg-gears[eval]'") from error
    upper = sparse.coo_array(sparse.triu(graph, k=1))
    edges = igraph.Graph(n=graph.shape[0], edges=np.stack([upper.row, upper.col], axis=1).tolist())
    # igraph draws from one generator of the process: ours for this call, then its own default again.
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = edges.community_leiden(objective_function="modularity", resolution=resolution, n_iterations=-1)
    finally:
        igraph.set_random_number_generator(random)
    membership = np.asarray(found.membership)
    by_size = np.argsort(-np.bincount(membership), kind="stable")
    return np.argsort(by_size)[membership]


def layout_morans_i(pos: LayoutLike, values: NDArray[Any], *, k: int = NEIGHBORS) -> Float[np.ndarray, " p"]:
    """Moran's I of each column of values on the kNN graph of a layout, see :func:`pyg_gears.graphs.morans_i`.

    A layout made from expression clusters expression by construction: high values show that programmes form regions,
    not that the regions are where they were in the tissue.

    Args:
        pos: Layout, shape (n, 2).
        values: One column per programme (a gene's expression, or the mean of a gene set), shape (n, p).
        k: Neighbours per cell in the layout, each of weight 1, at least 1.

    Returns:
        I per programme, shape (p,); NaN for a constant column.

    Raises:
        InputError: unless the values are finite, one row per cell, and k >= 1.
    """
    check_sizes(k=k)
    x = in_gauge(as_layout(pos, "predicted"))
    v = np.asarray(values, dtype=np.float64)
    expect(
        v.ndim == 2 and len(v) == len(x) and bool(np.isfinite(v).all()),
        f"expected finite values of shape ({len(x)}, programmes), found {v.shape}; pass one row per cell.",
    )
    return morans_i(v, neighbors_csr(nearest_neighbors(torch.from_numpy(x), k).index))


def layout_graph(pos: LayoutLike, k: int = NEIGHBORS) -> sparse.csr_array:
    """The undirected graph of who is among the k nearest of whom (either way), with weights 1, shape (n, n)."""
    x = in_gauge(as_layout(pos, "predicted"))
    return symmetric_csr(nearest_neighbors(torch.from_numpy(x), k).index)


def _count(community: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, "b t"]:
    """Number of cells of each type in each community."""
    count = np.zeros((community.max() + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(count, (community, labels), 1)
    return count


def _purity(count: Int[np.ndarray, "b t"]) -> float:
    return float(count.max(axis=1).sum() / count.sum())

"""Link the parts of a graph by the cheapest edges that were left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

EDGES = 2**21
"""Edges that are joined at a time."""


class LinksOutput(NamedTuple):
    """Which of the offered edges link the parts, and how the graph looked before."""

    chosen: Bool[np.ndarray, " e"]
    """Offered edges that are needed, shape (e,)."""
    isolated: int
    """Nodes that had no edge."""
    components: int
    """Connected parts before (an isolated node is one)."""


def pieces(size: int, most: int) -> Iterator[slice]:
    """Consecutive slices of at most ``most`` items that together make ``size``."""
    return (slice(first, min(first + most, size)) for first in range(0, size, most))


def parts(n: int, edges: Int[np.ndarray, "2 e"], keep: Bool[np.ndarray, " e"] | None = None) -> Int[np.ndarray, " n"]:
    """Number of the connected part of every node, shape (n,), for undirected edges of shape (2, e), or those to keep.

    Parts are numbered by their first node. Some edges are taken at a time, each time between the parts so far: SciPy makes
    several copies of the graph that it is given.
    """
    label = np.arange(n)
    count = n
    for some in pieces(edges.shape[1], EDGES):
        if count == 1:
            break
        own = edges[:, some] if keep is None else edges[:, some][:, keep[some]]
        a, b = label[own[0]], label[own[1]]
        graph = csr_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(count, count))
        count, joined = connected_components(graph, directed=False)
        label = joined.astype(np.int64)[label]
    return label


def linking_edges(
    n: int, kept: Int[np.ndarray, "2 k"], offered: Int[np.ndarray, "2 e"], cost: Float[np.ndarray, " e"]
) -> LinksOutput:
    """The cheapest set of ``offered`` edges that joins the parts of the graph ``kept``: a minimum spanning forest.

    Args:
        n: Nodes.
        kept: Edges that stay, shape (2, k).
        offered: Edges that may be added, shape (2, e); those inside a part are never chosen.
        cost: What each costs, shape (e,); only the order counts.

    Returns:
        ``chosen`` (e,), ``isolated`` and ``components`` of the graph before.
    """
    label = parts(n, kept)
    degree = np.bincount(kept[0], minlength=n) + np.bincount(kept[1], minlength=n)
    chosen = _forest(label, offered, cost)
    return LinksOutput(chosen, int((degree == 0).sum()), int(label.max(initial=-1)) + 1)


def _forest(
    label: Int[np.ndarray, " n"], offered: Int[np.ndarray, "2 e"], cost: Float[np.ndarray, " e"]
) -> Bool[np.ndarray, " e"]:
    """The offered edges of a minimum spanning forest between parts, given the part of every node."""
    count = int(label.max(initial=-1)) + 1
    chosen = np.zeros(offered.shape[1], dtype=bool)
    if count <= 1:
        return chosen
    a, b = label[offered[0]], label[offered[1]]
    low, high = np.minimum(a, b), np.maximum(a, b)
    # Costs become ranks: positive (zero would mean "no edge") and distinct, so that the forest is unique.
    order = np.argsort(cost, kind="stable")
    order = order[low[order] != high[order]]
    _, first = np.unique(low[order] * count + high[order], return_index=True)
    best = order[np.sort(first)]
    rank = np.arange(1, len(best) + 1, dtype=np.float64)
    place = (low[best].astype(np.int32), high[best].astype(np.int32))  # SciPy before 1.17.1 refuses 64 bits
    forest = minimum_spanning_tree(csr_array((rank, place), shape=(count, count)))
    chosen[best[forest.data.astype(np.int64) - 1]] = True
    return chosen


def connect_pairs(
    n: int, pairs: Int[np.ndarray, "2 e"], keep: Bool[np.ndarray, " e"], worth: Float[np.ndarray, " e"]
) -> Bool[np.ndarray, " e"]:
    """The mask ``keep`` with the best dropped pairs added that join the parts it leaves.

    Args:
        n: Nodes.
        pairs: All edges, shape (2, e).
        keep: Edges that stay, shape (e,).
        worth: How good each is, shape (e,); only the order counts.
    """
    label = parts(n, pairs, keep)
    mask = keep.copy()
    if label.max(initial=0) == 0 or not len(keep):
        return mask
    # The few pairs between parts: copies of all the dropped ones would decide about the memory of a layout.
    across = [
        some.start + np.flatnonzero(np.diff(label[pairs[:, some]], axis=0)[0]) for some in pieces(len(keep), EDGES)
    ]
    offered = np.concatenate(across)
    mask[offered[_forest(label, pairs[:, offered], -worth[offered])]] = True
    return mask

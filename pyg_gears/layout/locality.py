"""The locality graph: which cells are close enough in the embedding to be predicted together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from pyg_gears.errors import expect
from pyg_gears.graphs import jaccard as overlap_of
from pyg_gears.graphs import knn
from pyg_gears.graphs import mutual as is_mutual
from pyg_gears.layout.connectivity import linking_edges, parts
from pyg_gears.typing import Metric

PROBES = 16
"""Cells of a part that look for their nearest cell in another part."""
MANY_PARTS = 64
"""With more parts than this, probes search among probes instead of all cells, so that the work stays that of one kNN."""


@dataclass(frozen=True)
class LocalityOutput:
    """A connected, symmetric graph over all cells and what it took to make it so."""

    graph: csr_array
    """Symmetric adjacency, (n, n), ones, no self-loops; one connected part."""
    isolated: int
    """Cells that mutual neighbours with enough overlap left without an edge."""
    components: int
    """Connected parts before reconnecting."""
    links: int
    """Edges added from the non-mutual neighbours to reconnect them."""
    bridges: int
    """Edges added between nearest cells where no neighbour list reaches another part."""


def locality_graph(
    x: Float[torch.Tensor, "n c"],
    neighbors: int = 20,
    jaccard: float = 0.05,
    metric: Metric = "cosine",
    shared: int = 0,
) -> LocalityOutput:
    """Mutual nearest neighbours whose neighbour lists overlap, with every cell and every part reconnected.

    An edge stays when each end is among the other's ``neighbors`` and the Jaccard overlap of the two lists exceeds
    ``jaccard``, or the lists share at least ``shared`` cells. No cell is lost: parts are joined by a minimum spanning forest
    of the remaining neighbour edges (shortest first), and parts that no neighbour list reaches by nearest cells.

    Args:
        x: Embedding, shape (n, c), n at least 2.
        neighbors: Neighbours per cell, at most n - 1 are used.
        jaccard: Threshold of the overlap in [0, 1).
        metric: "cosine" or "euclidean".
        shared: Cells in both lists that keep an edge whatever its Jaccard overlap; 0 leaves it to that alone. (Published: 5.)

    Returns:
        The graph with the counts of what was reconnected.

    Raises:
        InputError: for fewer than 2 cells, or a threshold out of its range.
    """
    n = x.shape[0]
    expect(n >= 2, f"expected at least 2 cells, found {n}; give more cells.")
    expect(0 <= jaccard < 1, f"expected a Jaccard overlap in [0, 1), found {jaccard}; it is a threshold of shares.")
    found = knn(x, min(neighbors, n - 1), metric=metric)
    index = found.index.cpu().numpy()
    overlap = overlap_of(found.index)
    close = overlap > jaccard
    if shared > 0:
        # |A n B| from J = |A n B| / (2 k - |A n B|).
        close |= (2 * index.shape[1] * overlap / (1 + overlap)).round() >= shared
    strong = (is_mutual(found.index) & close).cpu().numpy().ravel()
    source = np.repeat(np.arange(n), index.shape[1])
    offered = np.stack([source, index.ravel()])
    kept = offered[:, strong & (source < index.ravel())]

    joined = linking_edges(n, kept, offered, found.distance.cpu().numpy().ravel())
    links = offered[:, joined.chosen]
    edges = np.concatenate([kept, links], axis=1)
    bridges = _bridges(x, edges, metric)
    edges = np.concatenate([edges, bridges], axis=1)
    graph = csr_array((np.ones(edges.shape[1], dtype=np.float32), (edges[0], edges[1])), shape=(n, n))
    graph = (graph + graph.T).tocsr()
    graph.data[:] = 1.0
    graph.sort_indices()
    return LocalityOutput(graph, joined.isolated, joined.components, links.shape[1], bridges.shape[1])


def _bridges(x: Float[torch.Tensor, "n c"], edges: Int[np.ndarray, "2 e"], metric: Metric) -> Int[np.ndarray, "2 b"]:
    """Edges between nearest cells of parts that the neighbour lists leave apart, from a few probes of each part."""
    n = x.shape[0]
    values = x.detach().to("cpu", torch.float32)
    values = torch.nn.functional.normalize(values, dim=1) if metric == "cosine" else values
    found = np.zeros((2, 0), dtype=np.int64)
    while True:
        joined = np.concatenate([edges, found], axis=1)
        label = parts(n, joined)
        if label.max() == 0:
            return found
        search = _nearest_outside if label.max() < MANY_PARTS else _nearest_probes
        offered, cost = search(values, label)
        found = np.concatenate([found, offered[:, linking_edges(n, joined, offered, cost).chosen]], axis=1)


def _nearest_outside(
    values: Float[torch.Tensor, "n c"], label: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, "2 b"], Float[np.ndarray, " b"]]:
    """For every part but the largest, the shortest edge from one of its probes to any cell outside."""
    n = len(values)
    probes, ptr = _probes(label)
    offered, cost = [], []
    for part in np.delete(np.arange(len(ptr) - 1), np.argmax(np.bincount(label))):
        members = probes[ptr[part] : ptr[part + 1]]
        distance = torch.cdist(values[members], values)
        distance[:, torch.from_numpy(label == part)] = torch.inf
        best = int(distance.argmin())
        offered.append((members[best // n], best % n))
        cost.append(float(distance.min()))
    return np.array(offered, dtype=np.int64).T, np.array(cost)


def _nearest_probes(
    values: Float[torch.Tensor, "n c"], label: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, "2 b"], Float[np.ndarray, " b"]]:
    """For every probe the edges to its nearest probes of other parts: one of its 16 nearest must be of another part."""
    probes, _ = _probes(label)
    near = knn(values[torch.from_numpy(probes)], PROBES, metric="euclidean")
    row, place = np.nonzero(label[probes][:, None] != label[probes[near.index.numpy()]])
    return np.stack([probes[row], probes[near.index.numpy()[row, place]]]), near.distance.numpy()[row, place]


def _probes(label: Int[np.ndarray, " n"]) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " p1"]]:
    """Up to 16 cells of every part, evenly spaced in their order: all of them part by part, and where each part begins."""
    order = np.argsort(label, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(label))])
    chosen = [
        order[first + np.linspace(0, last - first - 1, min(PROBES, last - first)).astype(np.int64)]
        for first, last in pairwise(start)
    ]
    return np.concatenate(chosen), np.concatenate([[0], np.cumsum([len(cells) for cells in chosen])])

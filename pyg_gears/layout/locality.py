"""The locality graph: which cells are close enough in the embedding to be predicted together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from pyg_gears.errors import expect
from pyg_gears.graphs import jaccard as overlap_of
from pyg_gears.graphs import knn
from pyg_gears.graphs import mutual as is_mutual
from pyg_gears.layout.connectivity import linking_edges, parts


@dataclass(frozen=True)
class LocalityOutput:
    """A connected, symmetric graph over all cells and what it took to make it so."""

    graph: csr_array
    """Symmetric adjacency, (n, n), ones, no self-loops; one connected part."""
    neighbors: Int[np.ndarray, "n k"]
    """Nearest neighbours of every cell, whether kept as edges or not."""
    isolated: int
    """Cells that mutual neighbours with enough overlap left without an edge."""
    components: int
    """Connected parts before reconnecting."""
    links: int
    """Edges added from the non-mutual neighbours to reconnect them."""
    bridges: int
    """Edges added between nearest cells where even the neighbour lists did not meet."""


def locality_graph(
    x: Float[torch.Tensor, "n c"],
    neighbors: int = 20,
    jaccard: float = 0.05,
    metric: Literal["cosine", "euclidean"] = "cosine",
) -> LocalityOutput:
    """Mutual nearest neighbours whose neighbour lists overlap, with every cell and every part reconnected.

    An edge stays when each end is among the other's ``neighbors`` and the Jaccard overlap of the two lists exceeds
    ``jaccard``. No cell is lost: parts are joined by a minimum spanning forest of the remaining neighbour edges
    (shortest first), and what the neighbour lists cannot join by the nearest cells across.

    Args:
        x: Embedding, shape (n, c), n at least 2.
        neighbors: Neighbours a cell, at most n - 1 are used.
        jaccard: Threshold of the overlap in [0, 1).
        metric: "cosine" or "euclidean".

    Returns:
        The graph with the counts of what was reconnected.
    """
    n = x.shape[0]
    expect(n >= 2, f"expected at least 2 cells, found {n}; give more cells")
    found = knn(x, min(neighbors, n - 1), metric=metric)
    index = found.index.cpu().numpy()
    strong = (is_mutual(found.index) & (overlap_of(found.index) > jaccard)).cpu().numpy().ravel()
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
    return LocalityOutput(graph, index, joined.isolated, joined.components, links.shape[1], bridges.shape[1])


def _bridges(
    x: Float[torch.Tensor, "n c"], edges: Int[np.ndarray, "2 e"], metric: str, probes: int = 16
) -> Int[np.ndarray, "2 b"]:
    """Edges between nearest cells of parts that the neighbour lists leave apart, from a few probes of each part."""
    n = x.shape[0]
    values = x.detach().to("cpu", torch.float32)
    values = torch.nn.functional.normalize(values, dim=1) if metric == "cosine" else values
    found = np.zeros((2, 0), dtype=np.int64)
    while True:
        label = parts(n, np.concatenate([edges, found], axis=1))
        sizes = np.bincount(label)
        if len(sizes) == 1:
            return found
        # The largest part needs no probes: every other part looks for its nearest cell outside.
        new, cost = [], []
        for part in np.delete(np.arange(len(sizes)), np.argmax(sizes)):
            members = np.flatnonzero(label == part)
            members = members[np.linspace(0, len(members) - 1, min(probes, len(members))).astype(np.int64)]
            distance = torch.cdist(values[members], values)
            distance[:, torch.from_numpy(label == part)] = torch.inf
            best = int(distance.argmin())
            new.append((members[best // n], best % n))
            cost.append(float(distance.min()))
        offered = np.array(new, dtype=np.int64).T
        chosen = linking_edges(n, np.concatenate([edges, found], axis=1), offered, np.array(cost)).chosen
        found = np.concatenate([found, offered[:, chosen]], axis=1)

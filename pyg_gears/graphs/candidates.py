"""The graph that messages travel on when coordinates are unknown: symmetric kNN of the embedding."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import described, expect
from pyg_gears.graphs.checked_batch import checked_batch
from pyg_gears.graphs.distinct_pairs import distinct_pairs
from pyg_gears.graphs.jaccard import jaccard as neighbourhood_overlap
from pyg_gears.graphs.knn import checked_embedding, knn
from pyg_gears.graphs.mutual import mutual as is_mutual


def candidate_graph(
    x: Float[Tensor, "n c"],
    k: int = 100,
    metric: Literal["cosine", "euclidean"] = "cosine",
    mutual: bool = False,
    jaccard: float = 0.0,
    projection: Float[Tensor, "c d"] | None = None,
    batch: Int[Tensor, " n"] | None = None,
    method: Literal["auto", "exact", "approximate"] = "auto",
) -> Int[Tensor, "2 e"]:
    """Candidate edges: the union of kNN edges and their reverses, and a self-loop at every node.

    No gradient flows through the choice. A node that the options would leave without a neighbour keeps its nearest one.

    Args:
        x: Embedding, shape (n, c).
        k: Neighbours per node before the union, clipped to (nodes of the graph) - 1.
        metric: "cosine" or "euclidean".
        mutual: Keep only edges whose ends are each among the other's k nearest.
        jaccard: Least Jaccard index of the two neighbourhoods, in [0, 1]; 0 keeps every edge.
        projection: Linear map (c, d) applied before the search and nowhere else.
        batch: Graph of each node, shape (n,), ascending; edges stay within a graph. One graph if omitted.
        method: As for :func:`pyg_gears.graphs.knn`.

    Returns:
        ``edge_index`` (2, e) int64, symmetric, without repeats, sorted by (target, source).

    Raises:
        InputError: for an embedding that is no matrix of finite floats, a threshold outside [0, 1], a projection of
            another width or a ``batch`` that does not number the graphs in ascending order.

    >>> candidate_graph(torch.tensor([[0.0], [1.0], [3.0]]), k=1, metric="euclidean")
    tensor([[0, 1, 0, 1, 2, 1, 2],
            [0, 0, 1, 1, 1, 2, 2]])
    """
    expect(
        0.0 <= jaccard <= 1.0,
        f"expected a Jaccard threshold in [0, 1], found {jaccard}; 0 keeps every edge.",
    )
    x = checked_embedding(x)
    if projection is not None:
        expect(
            isinstance(projection, Tensor) and projection.dim() == 2 and projection.size(0) == x.size(1),
            f"expected a projection of {x.size(1)} rows, found {described(projection)}; pass one of shape (channels, d).",
        )
        x = x @ projection.detach().float()
    # Sizes of graphs are read in any case; on the CPU the values can be checked too.
    batch = checked_batch(batch.cpu() if isinstance(batch, Tensor) else batch, x.size(0))
    if batch is None:
        return _one_graph(x, k, metric, mutual, jaccard, method)
    edges, first = [x.new_empty((2, 0), dtype=torch.long)], 0
    for size in torch.bincount(batch).tolist() if batch.numel() else []:
        edges.append(_one_graph(x[first : first + size], k, metric, mutual, jaccard, method) + first)
        first += size
    return torch.cat(edges, dim=1)


def _one_graph(x: Tensor, k: int, metric: str, mutual: bool, jaccard: float, method: str) -> Tensor:
    n = x.size(0)
    own = torch.arange(n, device=x.device)
    neighbor = knn(x, k, metric, method).index  # type: ignore[arg-type]
    keep = torch.ones_like(neighbor, dtype=torch.bool)
    if mutual:
        keep &= is_mutual(neighbor)
    if jaccard > 0:
        keep &= neighbourhood_overlap(neighbor) >= jaccard
    if neighbor.size(1):
        reached = keep.any(dim=1).index_fill(0, neighbor[keep], True)
        keep[:, 0] |= ~reached
    target, source = own[:, None].expand_as(neighbor)[keep], neighbor[keep]
    key = distinct_pairs(torch.cat([target * n + source, source * n + target, own * n + own]), n).key
    return torch.stack([key % max(n, 1), key // max(n, 1)])

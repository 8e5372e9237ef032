"""The graphs of a batch side by side in one padded tensor, for attention by matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.graphs.checked_edges import checked_edges

MAX_DENSE_NODES = 2048
MAX_CELLS_PER_EDGE = 20
OBSTACLES = (
    "nodes sorted by graph, found an unsorted batch; sort them",
    "edges within graphs, found one between two graphs; correct the batch",
    "every edge once, found repeated edges; coalesce them",
)
"""What keeps graphs from being laid out side by side: expected, found, remedy."""


def mask_value(dtype: torch.dtype) -> float:
    """Logit of a pair that takes no part: finite in ``dtype``, so that a row without edges stays finite.

    >>> mask_value(torch.float32), mask_value(torch.float16)
    (-1e+30, -32752.0)
    """
    # Half of the lowest number: what is added to a masked logit cannot make it infinite.
    return max(-1e30, torch.finfo(dtype).min / 2)


@dataclass(frozen=True)
class PaddedGraphs:
    """Where the nodes and edges of a batch lie in padded (b, m) and (b, m, m) tensors. Built by :func:`pad_graphs`.

    Attributes:
        num_graphs: Graphs b.
        size: Nodes m of the largest graph.
        node_slot: Flat place of each node in (b, m), shape (n,); None where all graphs have m nodes (no padding).
        edge_slot: Flat place of each edge in (b, m, m), [target, source], shape (e,).
        filled: Nodes with at least one incoming edge, shape (n,); None where all have one.
    """

    num_graphs: int
    size: int
    node_slot: Int[Tensor, " n"] | None
    edge_slot: Int[Tensor, " e"]
    filled: Bool[Tensor, " n"] | None

    def pad(self, values: Tensor) -> Tensor:
        """Spread node values (n, ...) to (b, m, ...), zeros between."""
        if self.node_slot is None:
            return values.view(self.num_graphs, self.size, *values.shape[1:])
        empty = values.new_zeros(self.num_graphs * self.size, *values.shape[1:])
        return empty.index_copy(0, self.node_slot, values).view(self.num_graphs, self.size, *values.shape[1:])

    def gather(self, values: Tensor) -> Tensor:
        """Read node values (n, ...) back from (b, m, ...); nodes without an incoming edge read zero."""
        nodes = values.flatten(0, 1)
        if self.node_slot is not None:
            nodes = nodes[self.node_slot]
        if self.filled is not None:
            nodes = nodes * self.filled.view(-1, *[1] * (nodes.dim() - 1))
        return nodes

    def spread(self, logits: Float[Tensor, "e h"]) -> Float[Tensor, "b h m m"]:
        """Logits of the edges in a padded tensor, :func:`mask_value` on all other pairs. Gradients flow back."""
        heads = logits.size(1)
        empty = logits.new_full((heads, self.num_graphs * self.size**2), mask_value(logits.dtype))
        spread = empty.scatter(1, self.edge_slot.expand(heads, -1), logits.T)
        return spread.view(heads, self.num_graphs, self.size, self.size).transpose(0, 1)


def pad_graphs(
    edge_index: Int[Tensor, "2 e"], num_nodes: int, batch: Int[Tensor, " n"] | None = None, auto: bool = False
) -> PaddedGraphs | None:
    """Lay a batch out for dense attention.

    Args:
        edge_index: Edges [source, target], shape (2, e), each at most once, within graphs.
        num_nodes: Nodes n of the batch.
        batch: Graph of each node, shape (n,), ascending; one graph if omitted.
        auto: Return None where the edge list is the better or the only way: more than 2048 nodes in a graph, more than
            20 padded cells per edge, or anything that would raise.

    Returns:
        The layout, or None (only with ``auto``).

    Raises:
        InputError: when the edges are none of this graph's; without ``auto`` when an edge is repeated or joins two
            graphs, or when nodes are not sorted by graph.
    """
    edge_index = checked_edges(edge_index, num_nodes)
    source, target = edge_index[0], edge_index[1]
    if batch is None:
        batch = target.new_zeros(num_nodes)
    count = torch.bincount(batch)
    b, m, e = count.numel(), int(count.max()) if num_nodes else 0, edge_index.size(1)
    if auto and (m > MAX_DENSE_NODES or b * m * m > MAX_CELLS_PER_EDGE * max(e, 1)):
        return None
    local = torch.arange(num_nodes, device=batch.device) - (count.cumsum(0) - count)[batch]
    slot = batch * m + local
    edge_slot = slot[target] * m + local[source]
    inside = batch[source] == batch[target]
    taken = torch.zeros(b * m * m, dtype=torch.bool, device=edge_slot.device)
    # Of nodes out of order the places mean nothing, and may lie outside.
    taken[torch.where(inside, edge_slot, 0).clamp(0, max(b * m * m - 1, 0))] = True
    node_slot = slot if b * m != num_nodes else None
    has_edge = taken.view(b * m, m).any(dim=1)
    filled = has_edge if node_slot is None else has_edge[node_slot]
    # Read together: on a GPU each reading waits for the device.
    facts = torch.stack([(batch.diff() >= 0).all(), inside.all(), taken.sum() == e, filled.all()]).tolist()
    obstacle = next((sentence for holds, sentence in zip(facts, OBSTACLES, strict=False) if not holds), None)
    if obstacle is not None:
        expect(auto, f"expected {obstacle}, or use layout='edge'.")
        return None
    return PaddedGraphs(
        num_graphs=b,
        size=m,
        node_slot=node_slot,
        edge_slot=edge_slot,
        filled=None if facts[-1] else filled,
    )

"""The two directions of an edge, brought together."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from pyg_gears.nn.reverse_edges import reverse_edges


class EdgePairs(NamedTuple):
    """Pairs of nodes and the edges between them.

    ``nodes`` (2, p) are the two ends of each pair. ``edges`` (1 or 2, p) are columns of ``edge_index``: row 0 the edge
    nodes[0] -> nodes[1], row 1, where present, the edge back. Self-loops belong to no pair.
    """

    nodes: Int[Tensor, "2 p"]
    edges: Int[Tensor, "l p"]


def edge_pairs(edge_index: Int[Tensor, "2 e"], num_nodes: int) -> EdgePairs:
    """Pair every edge with its reverse, or, unless each has one, let every edge be a pair of its own.

    Args:
        edge_index: Edges in any order, shape (2, e); repeats allowed.
        num_nodes: Nodes n.

    Returns:
        Pairs with the lower node first and both directions; those of edges sorted by target are sorted by the lower and
        then the higher node. For a graph that is not symmetric the edges in their order, with one direction.
    """
    source, target = edge_index[0], edge_index[1]
    back = reverse_edges(edge_index, num_nodes)
    if back is not None:
        down = (source > target).nonzero().flatten()
        up = back[down]
        return EdgePairs(edge_index[:, up], torch.stack([up, down]))
    up, down = (source < target).nonzero().flatten(), (source > target).nonzero().flatten()
    if up.numel() == down.numel():
        # Sorted stably, so that repeated edges find partners too.
        key_up, order_up = (source[up] * num_nodes + target[up]).sort(stable=True)
        key_down, order_down = (target[down] * num_nodes + source[down]).sort(stable=True)
        if torch.equal(key_up, key_down):
            up, down = up[order_up], down[order_down]
            return EdgePairs(edge_index[:, up], torch.stack([up, down]))
    kept = (source != target).nonzero().flatten()
    return EdgePairs(edge_index[:, kept], kept[None])

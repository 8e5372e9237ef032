"""Runs of consecutive nodes that no edge leaves: the graphs of a batch, read off its edges."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor


def node_blocks(edge_index: Int[Tensor, "2 e"], num_nodes: int) -> Int[Tensor, " n"]:
    """Split the nodes into as many consecutive runs as possible without cutting an edge.

    For a PyG batch of connected graphs these are its graphs (a graph that falls apart in the order of its nodes gives
    several). They serve layers that are not told the batch.

    Args:
        edge_index: Edges, shape (2, e).
        num_nodes: Nodes n.

    Returns:
        Block of each node, shape (n,), ascending from 0.

    >>> node_blocks(torch.tensor([[0, 2, 4], [2, 1, 3]]), 5)
    tensor([0, 0, 0, 1, 1])
    """
    node = torch.arange(num_nodes, device=edge_index.device)
    reach = node.scatter_reduce(0, torch.minimum(*edge_index), torch.maximum(*edge_index), "amax")
    closes = (reach.cummax(dim=0).values == node).long()  # nothing up to here leads beyond here
    return closes.cumsum(dim=0) - closes

"""Which node belongs to which graph, for a PyG batch and for a single graph alike."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import expect


class Membership(NamedTuple):
    """``batch`` (n,) graph of each node, ``ptr`` (b + 1,) first node of each graph, ``size`` (b,) nodes of each graph."""

    batch: Int[Tensor, " n"]
    ptr: Int[Tensor, " b1"]
    size: Int[Tensor, " b"]

    @property
    def num_graphs(self) -> int:
        """Number of graphs b."""
        return self.size.numel()

    def node_mean(self, values: Float[Tensor, " n"]) -> Float[Tensor, " b"]:
        """Mean over the nodes of each graph."""
        return values.new_zeros(self.num_graphs).index_add(0, self.batch, values) / self.size.clamp(min=1)

    def edge_mean(self, values: Float[Tensor, " e"], node: Int[Tensor, " e"]) -> Float[Tensor, " b"]:
        """Mean over the edges of each graph, 0 where a graph has none; ``node`` is one end of each edge."""
        graph = self.batch[node]
        count = values.new_zeros(self.num_graphs).index_add(0, graph, torch.ones_like(values))
        return values.new_zeros(self.num_graphs).index_add(0, graph, values) / count.clamp(min=1)


def membership(data: Data, num_nodes: int) -> Membership:
    """Read the membership of ``num_nodes`` predicted nodes from a Batch or a Data.

    Raises:
        InputError: when the batch describes another number of nodes.
    """
    batch = getattr(data, "batch", None)
    if batch is None:
        batch = torch.zeros(num_nodes, dtype=torch.long, device=data.sigma.device if "sigma" in data else None)
    expect(
        batch.numel() == num_nodes,
        f"expected coordinates of the {batch.numel()} nodes of the batch, found {num_nodes}; pass the batch they belong to.",
    )
    ptr = getattr(data, "ptr", None)
    if ptr is None:
        size = torch.bincount(batch)
        ptr = torch.cat([size.new_zeros(1), size.cumsum(0)])
    return Membership(batch, ptr, ptr.diff())

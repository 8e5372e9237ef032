"""Which node belongs to which graph, for a PyG batch and for a single graph alike."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix


class Membership(NamedTuple):
    """``batch`` (n,) graph of each node, ``ptr`` (b + 1,) first node of each graph, ``size`` (b,) nodes of each graph."""

    batch: Int[Tensor, " n"]
    ptr: Int[Tensor, " b1"]
    size: Int[Tensor, " b"]

    @property
    def num_graphs(self) -> int:
        """Number of graphs b."""
        return self.size.numel()

    def in_gauge(self, pos: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Every graph's layout in the gauge; half precision becomes float32, which holds the losses' small offsets."""
        pos = pos.float() if pos.dtype in (torch.float16, torch.bfloat16) else pos
        return gauge_fix(pos, self.batch, self.num_graphs)

    def node_mean(self, values: Float[Tensor, " n"]) -> Float[Tensor, " b"]:
        """Mean over the nodes of each graph."""
        return scatter(values, self.batch, dim_size=self.num_graphs, reduce="mean")

    def edge_mean(self, values: Float[Tensor, " e"], node: Int[Tensor, " e"]) -> Float[Tensor, " b"]:
        """Mean over the edges of each graph, 0 where a graph has none; ``node`` is one end of each edge."""
        return scatter(values, self.batch[node], dim_size=self.num_graphs, reduce="mean")


def membership(data: Data, num_nodes: int, device: torch.device | None = None) -> Membership:
    """Read the membership of ``num_nodes`` predicted nodes from a Batch or a Data.

    Args:
        data: Batch, or one graph, of which no field is needed.
        num_nodes: Number of nodes n.
        device: Device of the membership of a single graph; that of its first tensor if omitted.

    Returns:
        The membership of each node.

    Raises:
        InputError: when the batch describes another number of nodes.
    """
    batch, ptr = getattr(data, "batch", None), getattr(data, "ptr", None)
    if batch is None:
        known = (value.device for value in data.to_dict().values() if isinstance(value, Tensor))
        size = torch.tensor([num_nodes], device=device or next(known, None))
        return Membership(size.new_zeros(num_nodes), torch.cat([size.new_zeros(1), size]), size)
    expect(
        batch.numel() == num_nodes,
        f"expected coordinates of the {batch.numel()} nodes of the batch, found {num_nodes}; pass the batch they belong to.",
    )
    if ptr is None:
        size = torch.bincount(batch)
        ptr = torch.cat([size.new_zeros(1), size.cumsum(0)])
    return Membership(batch, ptr, ptr.diff())

"""Where the edges of one list stand in another."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from pyg_gears.graphs.checked_edges import checked_edges


class EdgeLookupOutput(NamedTuple):
    """Position of each edge in the other list, shape (e,), 0 where it is absent, and whether it is ``present``."""

    position: Int[Tensor, " e"]
    present: Bool[Tensor, " e"]


def edge_lookup(
    edge_index: Int[Tensor, "2 e"], known_edge_index: Int[Tensor, "2 m"], num_nodes: int
) -> EdgeLookupOutput:
    """Find edges in a sorted edge list by binary search; O(e log m) time, O(e + m) memory.

    Args:
        edge_index: Edges to look up, shape (2, e), in any order.
        known_edge_index: Edges to search, shape (2, m), without repeats, sorted by target, then source.
        num_nodes: Number of nodes n.

    Returns:
        ``position`` (e,) and ``present`` (e,); values of the known edges are read as ``values[position]`` where present.
        Without known edges no position is valid.

    Raises:
        InputError: when either are no edges between n nodes.

    >>> edge_lookup(torch.tensor([[2, 0], [1, 0]]), torch.tensor([[1, 2], [0, 1]]), 3).present
    tensor([ True, False])
    """
    edge_index = checked_edges(edge_index, num_nodes)
    known_edge_index = checked_edges(known_edge_index, num_nodes, "known_edge_index")
    known, asked = (source + num_nodes * target for source, target in (known_edge_index, edge_index))
    if known.numel() == 0:
        return EdgeLookupOutput(torch.zeros_like(asked), torch.zeros_like(asked, dtype=torch.bool))
    position = torch.searchsorted(known, asked).clamp(max=known.numel() - 1)
    present = known[position] == asked
    return EdgeLookupOutput(position.masked_fill(~present, 0), present)

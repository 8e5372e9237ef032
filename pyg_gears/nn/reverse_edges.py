"""Which edge is the way back of which."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor


def reverse_edges(edge_index: Int[Tensor, "2 e"], num_nodes: int) -> Int[Tensor, " e"] | None:
    """The number of the way back of every edge of a list sorted by target, then source; a self-loop is its own.

    Args:
        edge_index: Edges, shape (2, e); repeats allowed.
        num_nodes: Nodes n.

    Returns:
        Numbers, shape (e,); None where edges have another order or one has no way back.
    """
    source, target = edge_index[0], edge_index[1]
    # Sorted by source as well, edge k has the place of its way back; narrow numbers are sorted several times faster.
    dtype = torch.int16 if num_nodes <= torch.iinfo(torch.int16).max else torch.int32
    order = source.to(dtype).sort(stable=True).indices
    back = torch.empty_like(order).scatter_(0, order, torch.arange(order.numel(), device=order.device))
    found = torch.equal(source[back], target) and torch.equal(target[back], source)
    return back if found else None

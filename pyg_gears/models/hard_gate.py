"""A hard choice among the candidates: the best by gate of every node."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

KEPT = 30


def best_edges(
    gate_logits: Float[Tensor, "e ..."], edge_index: Int[Tensor, "2 e"], num_nodes: int, count: int = KEPT
) -> Bool[Tensor, " e"]:
    """Each node's incoming edges with the highest gate, and its self-loop.

    Tried and lost against the soft gate in the method's experiments (E_geo 0.86 against 0.49).

    Args:
        gate_logits: Gate of each edge, shape (e,) or (e, h); heads are averaged.
        edge_index: Edges, [0] = source j, [1] = target i, shape (2, e).
        num_nodes: Nodes n.
        count: Edges kept per node, self-loops not counted; of equal ones those listed first.

    Returns:
        Which edges stay, shape (e,).
    """
    source, target = edge_index
    score = gate_logits.detach() if gate_logits.dim() == 1 else gate_logits.detach().mean(dim=1)
    loop = source == target
    order = score.masked_fill(loop, -torch.inf).argsort(descending=True, stable=True)
    order = order[target[order].argsort(stable=True)]
    incoming = torch.bincount(target, minlength=num_nodes)
    rank = torch.arange(order.numel(), device=order.device) - (incoming.cumsum(0) - incoming)[target[order]]
    return torch.zeros_like(loop).index_copy(0, order, rank < count) | loop

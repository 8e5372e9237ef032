"""What the gate should say: the true transitions, restricted to the candidate edges."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def gate_target(
    edge_index: Int[Tensor, "2 e"],
    rw_edge_index: Int[Tensor, "2 r"],
    rw_transition: Float[Tensor, " r"],
    num_nodes: int,
) -> Float[Tensor, " e"]:
    """Transition probabilities on the candidates, renormalised over the candidates of each node.

    ``p_i = T[i, candidates] / sum(T[i, candidates])``, 0 on self-loops; a node none of whose candidates is a true neighbour
    gets zeros, and no loss.

    Args:
        edge_index: Candidate edges, shape (2, e).
        rw_edge_index: Support of the random walk, sorted by target, then source, shape (2, r).
        rw_transition: ``T[target, source]`` on that support, shape (r,).
        num_nodes: Number of nodes n.

    Returns:
        Probabilities, shape (e,).
    """
    if rw_transition.numel() == 0:
        return rw_transition.new_zeros(edge_index.size(1))
    known = rw_edge_index[1] * num_nodes + rw_edge_index[0]
    asked = edge_index[1] * num_nodes + edge_index[0]
    place = torch.searchsorted(known, asked).clamp(max=known.numel() - 1)
    mass = torch.where(known[place] == asked, rw_transition[place], 0.0)
    total = mass.new_zeros(num_nodes).index_add(0, edge_index[1], mass)
    return mass / total.clamp(min=torch.finfo(mass.dtype).tiny)[edge_index[1]]

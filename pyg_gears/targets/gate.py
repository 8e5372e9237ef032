"""What the gate should say: the true transitions, restricted to the candidate edges."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

GateTarget = Literal["walk", "walk2", "mix"]
GATE_TARGETS: tuple[str, ...] = get_args(GateTarget)


def gate_target(
    edge_index: Int[Tensor, "2 e"],
    rw_edge_index: Int[Tensor, "2 r"],
    rw_transition: Float[Tensor, " r"],
    num_nodes: int,
    kind: GateTarget = "walk",
) -> Float[Tensor, " e"]:
    """Transition probabilities on the candidates, renormalised over the candidates of each node.

    ``p_i = T[i, candidates] / sum(T[i, candidates])``, 0 on self-loops; a node none of whose candidates is a true neighbour
    gets zeros, and no loss.

    Args:
        edge_index: Candidate edges, shape (2, e).
        rw_edge_index: Support of the random walk, sorted by target, then source, shape (2, r).
        rw_transition: ``T[target, source]`` on that support, shape (r,).
        num_nodes: Number of nodes n.
        kind: "walk" for T, "walk2" for T^2, "mix" for the mean of the two, each renormalised; the latter two take O(n^2) memory.

    Returns:
        Probabilities, shape (e,).
    """
    if rw_transition.numel() == 0:
        return rw_transition.new_zeros(edge_index.size(1))
    source, target = edge_index
    if kind != "walk":
        step = rw_transition.new_zeros(num_nodes, num_nodes)
        step[rw_edge_index[1], rw_edge_index[0]] = rw_transition
        two = _normalised((step @ step)[target, source].masked_fill(source == target, 0.0), target, num_nodes)
        if kind == "walk2":
            return two
        return (two + gate_target(edge_index, rw_edge_index, rw_transition, num_nodes)) / 2
    known = rw_edge_index[1] * num_nodes + rw_edge_index[0]
    asked = target * num_nodes + source
    place = torch.searchsorted(known, asked).clamp(max=known.numel() - 1)
    return _normalised(torch.where(known[place] == asked, rw_transition[place], 0.0), target, num_nodes)


def _normalised(mass: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    """The mass of each row divided by the row's sum; a row without mass stays zero."""
    total = mass.new_zeros(num_nodes).index_add(0, target, mass)
    return mass / total.clamp(min=torch.finfo(mass.dtype).tiny)[target]

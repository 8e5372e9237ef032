"""What the gate is trained towards: the true transitions, restricted to the candidate edges."""

from __future__ import annotations

from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.utils import scatter, to_dense_adj

from pyg_gears.errors import expect
from pyg_gears.graphs import edge_lookup
from pyg_gears.graphs.checked_edges import checked_edges
from pyg_gears.typing import GateTarget

GATE_TARGETS: tuple[str, ...] = get_args(GateTarget)
"""The kinds of target that a gate can have."""


def gate_target(
    edge_index: Int[Tensor, "2 e"],
    rw_edge_index: Int[Tensor, "2 r"],
    rw_transition: Float[Tensor, " r"],
    num_nodes: int,
    kind: GateTarget = "walk",
) -> Float[Tensor, " e"]:
    r"""Transition probabilities on the candidates, renormalised over the candidates of each node.

    .. math:: p_{ij} = T_{ij} / \sum_{l \in cand(i)} T_{il}

    They are 0 on self-loops. A node none of whose candidates is a true neighbour gets zeros, and no loss.

    Args:
        edge_index: Candidate edges, shape (2, e).
        rw_edge_index: Support of the random walk, sorted by target, then source, shape (2, r).
        rw_transition: ``T[target, source]`` on that support, shape (r,).
        num_nodes: Number of nodes n.
        kind: "walk" for T, "walk2" for T^2, "mix" for the mean of the two, each renormalised; the latter two take
            O(n^2) memory.

    Returns:
        Probabilities, shape (e,).

    Raises:
        InputError: when the candidates are no edges of this graph, or for another kind.

    Source: the published mix adds two losses, ``KL(T || q) + weight KL(T^2 || q)``. We deviate in taking one KL to the
        mean of both: it has the same gradient as half that sum at weight 1, from which it differs by a constant.
    """
    check_gate_target(kind)
    edge_index = checked_edges(edge_index, num_nodes)
    if rw_transition.numel() == 0:
        return rw_transition.new_zeros(edge_index.size(1))
    source, target = edge_index
    if kind != "walk":
        step = to_dense_adj(rw_edge_index.flip(0), edge_attr=rw_transition, max_num_nodes=num_nodes)[0]
        two = row_shares((step @ step)[target, source].masked_fill(source == target, 0.0), target, num_nodes)
        if kind == "walk2":
            return two
        # A row in which only one of the two has mass is that one, not half of it.
        return row_shares(two + gate_target(edge_index, rw_edge_index, rw_transition, num_nodes), target, num_nodes)
    found = edge_lookup(edge_index, rw_edge_index, num_nodes)
    return row_shares(rw_transition[found.position].masked_fill(~found.present, 0.0), target, num_nodes)


def check_gate_target(kind: str) -> None:
    """Refuse a kind of target that there is none of.

    Raises:
        InputError: for an unknown kind.
    """
    expect(kind in GATE_TARGETS, f"expected gate_target among {', '.join(GATE_TARGETS)}, found {kind!r}; name one.")


def row_shares(mass: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    """The mass (e,) of each node's edges divided by their sum; a node without mass keeps zeros."""
    total = scatter(mass, target, dim_size=num_nodes)
    return mass / total.clamp(min=torch.finfo(mass.dtype).tiny)[target]

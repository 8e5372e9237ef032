"""The true neighbours of every node, as given edges see them."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.graphs import edge_lookup
from pyg_gears.lab.probes.row_statistics import edge_rows, row_best
from pyg_gears.targets import log_transitions


class TrueNeighbors(NamedTuple):
    """The random walk of the true coordinates on given edges.

    Attributes:
        transition: ``T_ref[target, source]`` of each edge, shape (e,); 0 where the source is no true neighbour.
        best: Whether the source is among the k true neighbours with the largest T_ref, shape (e,).
        wanted: Number of those k that each node has anywhere, at most k, shape (n,).
        degree: Number of all true neighbours of each node, shape (n,).
    """

    transition: Float[Tensor, " e"]
    best: Bool[Tensor, " e"]
    wanted: Int[Tensor, " n"]
    degree: Int[Tensor, " n"]


def true_neighbors(batch: Any, edge_index: Int[Tensor, "2 e"], k: int) -> TrueNeighbors:
    """Look edges up in the support of the random walk.

    Args:
        batch: Batch (or one graph) with the targets of the random walk.
        edge_index: Edges, shape (2, e), in any order.
        k: True neighbours of a node that count as its likeliest; ties go to the lower number.
    """
    n, walk = int(batch.num_nodes), batch.rw_edge_index
    transition = log_transitions(batch.rw_log_ref.double(), batch.rw_multiplicity.double(), walk, n).exp()
    rows, mask = edge_rows(transition, walk[1], n)
    best = row_best(rows, mask, k)[..., 0]
    place, found = edge_lookup(edge_index, walk, n)
    degree = walk[1].bincount(minlength=n)
    return TrueNeighbors(transition[place] * found, best[mask][place] & found, best.sum(dim=1), degree)

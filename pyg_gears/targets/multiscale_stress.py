"""Distances at three scales that the stress compares: neighbours, ring, landmarks (target family F4)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.geometry import checked_coordinates, edge_distance, farthest_points, gauge_fix, nearest_neighbors
from pyg_gears.geometry.neighbors import PlanarNeighbors
from pyg_gears.graphs.distinct_pairs import distinct_pairs
from pyg_gears.targets.random_walk import neighbor_count

RING_EDGES = 4


class StressTarget(NamedTuple):
    """Undirected edges, once each, and their true distances in the gauge."""

    edge_index: Int[Tensor, "2 s"]
    distance: Float[Tensor, " s"]


def landmark_count(n: int) -> int:
    """Landmarks of a graph of n: one in 16, at least 8, at most n."""
    return min(max(8, n // 16), n)


def stress_neighbors(pos: Float[Tensor, "n d"], k: int | None = None) -> PlanarNeighbors:
    """The neighbours that :func:`multiscale_stress_target` chooses from, in the gauge; the nearest ones are those of the walk."""
    n = pos.size(0)
    return nearest_neighbors(gauge_fix(pos), 3 * neighbor_count(n, k))


def multiscale_stress_target(
    pos: Float[Tensor, "n d"], k: int | None = None, neighbors: PlanarNeighbors | None = None
) -> StressTarget:
    """Build the stress target of one graph from its true coordinates.

    Edges: all kNN pairs; per node ``RING_EDGES`` pairs at evenly spaced ranks of k+1..3k; every node to every
    farthest-point landmark. Nothing is drawn at random: the same coordinates give the same target.

    Args:
        pos: True coordinates, shape (n, d), any unit.
        k: Neighbours per node; ``neighbor_count(n)`` if omitted.
        neighbors: :func:`stress_neighbors` of these coordinates, if they are known; found here if omitted.

    Returns:
        Edges with source < target, sorted, and distances in the gauge, in the float dtype of ``pos`` (float32 for half
        precision).

    Raises:
        InputError: when ``pos`` is no matrix of finite floats.

    Source: landmarks after de Silva and Tenenbaum, Sparse multidimensional scaling using landmark points, 2004.
    """
    pos = checked_coordinates(pos, finite=True)
    n = pos.size(0)
    x = gauge_fix(pos)
    k = neighbor_count(n, k)
    index = nearest_neighbors(x, 3 * k).index if neighbors is None else neighbors.index
    node = torch.arange(n, device=pos.device)
    rank = k + ((torch.arange(RING_EDGES, device=pos.device) + 0.5) * 2 * k / RING_EDGES).long()
    ring = index[:, rank[rank < index.size(1)]] if k else index  # nothing to index without a neighbour
    near = torch.cat([index[:, :k], ring], dim=1)
    landmark = farthest_points(x, landmark_count(n))
    a = torch.cat([node.repeat_interleave(near.size(1)), node.repeat_interleave(landmark.numel())])
    b = torch.cat([near.reshape(-1), landmark.repeat(n)])
    key = distinct_pairs((torch.minimum(a, b) * n + torch.maximum(a, b))[a != b], n).key
    edge_index = torch.stack([key // n, key % n])
    return StressTarget(edge_index, edge_distance(x, edge_index))

r"""Random-walk transitions on the spatial kNN graph: who diffuses to whom (target family F2).

With frozen bandwidths :math:`\sigma_i` (distance to the k-th neighbour, in the gauge)

.. math::
    w_{ij} = \exp\!\big(-\|x_i - x_j\|^2 / (\sigma_i \sigma_j + \epsilon)\big), \; j \in kNN(i), \qquad
    W = (w + w^T) / 2, \qquad T = D^{-1} W .

w is symmetric in i and j, so :math:`W_{ij} = m_{ij} \exp(\cdot)` on the symmetric support, with multiplicity m = 1 where both
directions are kNN edges and 1/2 where one is: one log affinity per edge carries the whole target.

Source: Coifman and Lafon, Diffusion maps, 2006; self-tuning bandwidths after Zelnik-Manor and Perona, 2004. We deviate in using
the product of bandwidths over kNN edges only, without self-loops.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.geometry import checked_coordinates, edge_squared_distance, gauge_fix, nearest_neighbors
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.geometry.neighbors import PlanarNeighbors
from pyg_gears.graphs import segment_log_softmax
from pyg_gears.graphs.distinct_pairs import distinct_pairs

EPS = 1e-8


class RandomWalkTarget(NamedTuple):
    """The operator T of one graph, as one log affinity per edge.

    Attributes:
        edge_index: Symmetric support, both directions listed, sorted by target, then source, shape (2, r).
        multiplicity: 1 where both directions are kNN edges, else 1/2, shape (r,).
        log_ref: Log affinity of the true coordinates, shape (r,), at most 0.
        sigma: Bandwidth of each node, in the gauge, shape (n,).
        steps: Number of powers of T that the loss compares.
    """

    edge_index: Int[Tensor, "2 r"]
    multiplicity: Float[Tensor, " r"]
    log_ref: Float[Tensor, " r"]
    sigma: Float[Tensor, " n"]
    steps: int


def neighbor_count(n: int, k: int | None = None) -> int:
    """Spatial neighbours per node in a graph of n: k, or 15 % of n and at least 20 if omitted; at most n - 1.

    Raises:
        InputError: for k below 1.
    """
    if k is not None:
        check_sizes(k=k)
    return max(min(max(20, int(0.15 * n)) if k is None else k, n - 1), 0)


def walk_steps(n: int) -> int:
    """Powers of T that are compared: 3 up to 160 nodes, 4 up to 300, 5 above."""
    return 3 if n <= 160 else 4 if n <= 300 else 5


def random_walk_target(
    pos: Float[Tensor, "n d"], k: int | None = None, neighbors: PlanarNeighbors | None = None
) -> RandomWalkTarget:
    """Build the random-walk target of one graph from its true coordinates.

    A node's neighbours on the whole slide that fell into the graph come first and the graph's own neighbours fill up to k.
    Both lists are sorted by the same distance, so the graph's own kNN already is that list (ties go to the lower index, and
    minisets keep the slide's order of spots).

    Args:
        pos: True coordinates of the graph, shape (n, d), any unit.
        k: Neighbours per node; ``neighbor_count(n)`` if omitted, at most n - 1.
        neighbors: At least k nearest neighbours of each node in the gauge, if they are known; found here if omitted.

    Returns:
        The target, in the float dtype of ``pos`` (float32 for half precision).

    Raises:
        InputError: when ``pos`` is no matrix of finite floats.
    """
    pos = checked_coordinates(pos, finite=True)
    n = pos.size(0)
    x = gauge_fix(pos)
    k = neighbor_count(n, k)
    neighbors = nearest_neighbors(x, k) if neighbors is None else neighbors
    sigma = neighbors.distance[:, k - 1] if k else x.new_zeros(n)
    target = torch.arange(n, device=pos.device).repeat_interleave(k)
    source = neighbors.index[:, :k].reshape(-1)
    key, count = distinct_pairs(torch.cat([target * n + source, source * n + target]), n)
    edge_index = torch.stack([key % n, key // n])
    multiplicity = count.to(pos.dtype) / 2
    return RandomWalkTarget(edge_index, multiplicity, log_affinity(x, edge_index, sigma), sigma, walk_steps(n))


def log_affinity(
    pos: Float[Tensor, "n d"], edge_index: Int[Tensor, "2 r"], sigma: Float[Tensor, " n"]
) -> Float[Tensor, " r"]:
    """Log affinity ``-||x_i - x_j||^2 / (sigma_i sigma_j + eps)`` of every edge; coordinates must be in the gauge."""
    return -edge_squared_distance(pos, edge_index) / (sigma[edge_index[0]] * sigma[edge_index[1]] + EPS)


def log_transitions(
    affinity: Float[Tensor, " r"], multiplicity: Float[Tensor, " r"], edge_index: Int[Tensor, "2 r"], num_nodes: int
) -> Float[Tensor, " r"]:
    """Log of ``T[i, j]`` on the support (row i = target of the edge); rows sum to one, finite for any layout."""
    return segment_log_softmax(affinity + multiplicity.log(), edge_index[1], num_nodes)

r"""Fuzzy neighbourhoods on the spatial kNN graph: how much j belongs to the neighbourhood of i (target family F1).

.. math:: \mu_{ij} = \exp\!\big(-\|x_i - x_j\|^2 / (\sigma_i \sigma_j + \epsilon)\big), \; j \in kNN(i)

Source: McInnes, Healy and Melville, UMAP, 2018, for fuzzy neighbourhoods and their cross-entropy. We deviate in taking the
bandwidths of the random walk (distance to the k-th neighbour, frozen) and in leaving the directions apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from pyg_gears.geometry import checked_coordinates, gauge_fix, nearest_neighbors
from pyg_gears.targets.random_walk import log_affinity, neighbor_count


class FuzzyTarget(NamedTuple):
    """Memberships of one graph and pairs that are no neighbours.

    Attributes:
        edge_index: Neighbour j to node i, k for each node, shape (2, n k).
        membership: mu of the true coordinates, in (0, 1], shape (n k,).
        negative_index: Pairs of like form that are no neighbours, shape (2, m).
        sigma: Bandwidth of each node, in the gauge, shape (n,).
    """

    edge_index: Int[Tensor, "2 p"]
    membership: Float[Tensor, " p"]
    negative_index: Int[Tensor, "2 m"]
    sigma: Float[Tensor, " n"]


def fuzzy_target(pos: Float[Tensor, "n d"], generator: Generator, k: int | None = None) -> FuzzyTarget:
    """Build the fuzzy neighbourhoods of one graph from its true coordinates.

    Of the k negatives of a node, as many as it has neighbours, half are drawn from its ring (ranks k+1..3k) and half from all
    nodes that are no neighbours.

    Args:
        pos: True coordinates, shape (n, d), any unit.
        generator: Draws the negatives, on the CPU.
        k: Neighbours per node; ``neighbor_count(n)`` if omitted.

    Returns:
        The target, in the float dtype of ``pos`` (float32 for half precision); without negatives where all are neighbours.

    Raises:
        InputError: when ``pos`` is no matrix of finite floats.
    """
    pos = checked_coordinates(pos, finite=True)
    n = pos.size(0)
    x = gauge_fix(pos)
    neighbors = nearest_neighbors(x, n - 1)
    k = neighbor_count(n, k)
    sigma = neighbors.distance[:, k - 1] if k else x.new_zeros(n)
    node = torch.arange(n, device=pos.device)
    edge_index = torch.stack([neighbors.index[:, :k].reshape(-1), node.repeat_interleave(k)])
    chosen = [
        _ranks(n, k, min(3 * k, n - 1), (k + 1) // 2, generator),
        _ranks(n, k, n - 1, k // 2, generator),
    ]
    rank = torch.cat(chosen, dim=1).to(pos.device)
    negative = torch.stack([neighbors.index.gather(1, rank).reshape(-1), node.repeat_interleave(rank.size(1))])
    return FuzzyTarget(edge_index, log_affinity(x, edge_index, sigma).exp(), negative, sigma)


def _ranks(n: int, low: int, high: int, count: int, generator: Generator) -> Int[Tensor, "n c"]:
    """``count`` ranks in low..high-1 for each of n nodes, with replacement; none where the range is empty."""
    if low >= high or not n:
        return torch.empty(n, 0, dtype=torch.long, device="cpu")
    return torch.randint(low, high, (n, count), generator=generator, device="cpu")

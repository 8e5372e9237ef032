"""What teaches a head of distances: the true ones, the triangle inequality, and the coordinates it goes with."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.geometry import edge_distance
from pyg_gears.losses.at_least_one import at_least_one
from pyg_gears.losses.membership import membership, target_edges, target_values
from pyg_gears.nn.distance_head import DistanceHead, PairDistances

TRIPLES = 1000


def true_pairs(batch: Any, num_nodes: int, dtype: torch.dtype) -> tuple[Int[Tensor, "2 s"], Float[Tensor, " s"]]:
    """The pairs whose true distance a batch knows, and these distances, in the gauge.

    Raises:
        InputError: when the batch has none.
    """
    pairs = target_edges(batch, "stress_edge_index", num_nodes)
    return pairs, target_values(batch, "stress_distance", pairs.size(1)).to(dtype).clamp(min=1e-4)


def distance_likelihood(found: PairDistances, truth: Float[Tensor, " s"]) -> Float[Tensor, ""]:
    r"""Negative log-likelihood of true distances under a log-normal distribution.

    .. math:: \tfrac12 \mathrm{mean}_e \big( (\log d_e - \log \delta_e)^2 e^{-s_e} + s_e \big)

    Args:
        found: Distances d and log-variances s.
        truth: True distances, shape (s,).

    Returns:
        A scalar in nats, up to a constant.
    """
    error = (found.distance.log() - truth.log()).square()
    return 0.5 * at_least_one(error * found.precision + found.log_variance).mean()


def uncertainty_spread(found: PairDistances) -> Float[Tensor, ""]:
    """Variance of the log-variances over the pairs: keeps a few pairs from counting for all."""
    return at_least_one(found.log_variance).var(correction=0)


def triangle_hinge(
    head: DistanceHead, state: Float[Tensor, "n c"], batch: Any, generator: torch.Generator | None
) -> Float[Tensor, ""]:
    """Mean of ``max(0, d_ij - d_ik - d_kj)`` over 1000 random triples of nodes of one graph, for the worst of their sides.

    Args:
        head: The head.
        state: Node states, shape (n, c).
        batch: Batch or one graph; its membership is read.
        generator: Source of the triples, on the CPU; torch's global one if omitted.
    """
    members = membership(batch, state.size(0), state.device)
    count = TRIPLES if len(state) else 0
    draw = torch.rand(3, count, generator=generator, dtype=torch.float64, device="cpu").to(state.device)
    first = (draw[0] * state.size(0)).long()
    graph = members.batch[first]
    size, start = members.size[graph], members.ptr[graph]
    second, third = (start + (one * size).long() for one in draw[1:])
    pairs = torch.stack([torch.cat([first, first, second]), torch.cat([second, third, third])])
    a, b, c = head(state, pairs).distance.chunk(3)
    apart = (first != second) & (first != third) & (second != third)
    excess = (2 * torch.maximum(torch.maximum(a, b), c) - a - b - c).relu()
    return at_least_one(excess.where(apart, 0.0)).mean()


def coordinate_cycle(pos: Float[Tensor, "n 2"], pairs: Int[Tensor, "2 s"], found: PairDistances) -> Float[Tensor, ""]:
    """Squared log ratio of the coordinates' distances and the head's, weighted by ``exp(-s)`` of mean 1.

    The weights take no gradient: a head cannot buy agreement by doubt.
    """
    weight = found.precision.detach()
    gap = edge_distance(pos, pairs).log() - found.distance.log()
    return at_least_one(weight / weight.mean().clamp(min=1e-12) * gap.square()).mean()

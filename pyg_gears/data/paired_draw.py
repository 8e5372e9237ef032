"""Pairs of minisets of three kinds, from views of one place to views that hardly meet, as published."""

from __future__ import annotations

import math

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from pyg_gears.data.geodesic_draw import GeodesicGraph, geodesic_distances, nearest_spots, weighted_draw
from pyg_gears.data.miniset_recipe import GeodesicSampling, PairedViews, PairKinds

OWN = 4
"""Spots that a view has to itself, at least."""
HARD = (0.15, 0.25)
"""Range of the shared part of hard pairs."""
SECOND_CENTRE = 0.3
"""Distance of the second centre of medium pairs, in radii of the pool."""


def draw_kinds(
    graph: GeodesicGraph, size: int, chosen: GeodesicSampling, views: PairedViews, generator: Generator
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    r"""Draw two views of equal size that share :math:`\max(n_{min}, \lfloor \alpha m \rfloor)` spots, of a random kind.

    * easy: one centre; what is not shared is drawn from the pool around it, and disjoint.
    * medium: the second view has a centre of its own, 0.3 of the pool's radius away, and the rest of each view comes from its own
      pool; neither centre is shared.
    * hard: as easy, with alpha between 0.15 and 0.25.

    What is shared is drawn by geodesic distance from the centre, the rest uniformly from the pool of ``pool (2 m - shared)``
    spots.

    Args:
        graph: Graph of the slide.
        size: Spots m of each view, clipped to the slide's.
        chosen: How the pool is drawn from.
        views: How much is shared, and the shares of the kinds.
        generator: Source of the draw.

    Returns:
        Two ascending index sets of shape (m,). On a slide too small for two views more is shared.

    Source: the paper and its research code; the release draws no pairs.
    """
    n = graph.lengths.shape[0]
    size = min(size, n)
    kinds = views.kinds or PairKinds()
    kind = int(torch.multinomial(torch.tensor([kinds.easy, kinds.medium, kinds.hard]), 1, generator=generator))
    alpha = views.alpha
    if kind == 2:
        alpha = HARD[0] + (HARD[1] - HARD[0]) * float(torch.rand((), generator=generator))
    shared = max(0, min(max(views.n_min, math.floor(alpha * size)), size - OWN), 2 * size - n)
    centre = int(torch.randint(n, (), generator=generator))
    distance = geodesic_distances(graph, centre)
    pool = nearest_spots(distance, math.ceil(chosen.pool * (2 * size - shared)), centre)
    if kind != 1 or size == n:
        both = weighted_draw(distance, pool, shared, chosen.tau, generator, first=centre)
        rest = _shuffled(pool[~torch.isin(pool, both)], generator)
        own = size - shared
        return torch.cat([both, rest[:own]]).sort().values, torch.cat([both, rest[own : 2 * own]]).sort().values
    reach = float(distance[pool].max())
    others = pool[pool != centre]
    second = int(others[(distance[others] - SECOND_CENTRE * reach).abs().argmin()])
    centres = torch.tensor([centre, second])
    both = weighted_draw(distance, pool[~torch.isin(pool, centres)], shared, chosen.tau, generator)
    other_pool = nearest_spots(geodesic_distances(graph, second), len(pool), second)
    found = []
    for own_centre, around in ((centre, pool), (second, other_pool)):
        free = around[~torch.isin(around, torch.cat([both, centres]))]
        rest = _shuffled(free, generator)[: size - shared - 1]
        found.append(torch.cat([both, torch.tensor([own_centre]), rest]).sort().values)
    return found[0], found[1]


def _shuffled(spots: Tensor, generator: Generator) -> Tensor:
    return spots[torch.randperm(len(spots), generator=generator)]

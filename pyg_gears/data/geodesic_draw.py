"""Minisets by geodesic distance from a centre, as published: distances along the tissue, not across its gaps."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from torch import Generator, Tensor

from pyg_gears.data.miniset_recipe import GeodesicSampling
from pyg_gears.geometry import nearest_neighbors

UNREACHED = 2.0
"""Distance of spots without a path, in units of the largest one."""


class GeodesicGraph(NamedTuple):
    """Edges of a slide with their lengths, and the slide's size.

    Attributes:
        lengths: Symmetric, (n, n); an edge that only one end names has its full length.
        radius: Root mean square radius of the slide.
    """

    lengths: csr_array
    radius: float


def geodesic_graph(pos: Float[Tensor, "n 2"], neighbors: int) -> GeodesicGraph:
    """The graph of a slide's nearest neighbours, along which geodesic distances are measured.

    Args:
        pos: Positions, shape (n, 2), any unit.
        neighbors: Neighbours of each spot, clipped to those there are.
    """
    n = pos.size(0)
    found = nearest_neighbors(pos, neighbors)
    row = np.repeat(np.arange(n), found.index.size(1))
    column, length = found.index.cpu().numpy().ravel(), found.distance.double().cpu().numpy().ravel()
    tiny = 1e-12 * max(float(length.max(initial=0.0)), 1e-300)  # a stored zero would be no edge
    one = csr_array((np.maximum(length, tiny), (row, column)), shape=(n, n))
    centred = pos.double() - pos.double().mean(dim=0)
    radius = max(float(centred.square().sum(dim=1).mean().sqrt()), torch.finfo(torch.float64).tiny)
    return GeodesicGraph(one.maximum(one.T).tocsr(), radius)


def geodesic_distances(graph: GeodesicGraph, centre: int) -> Float[Tensor, " n"]:
    """Lengths of the shortest paths from a spot, in RMS radii of the slide; without a path twice the largest, shape (n,)."""
    found = dijkstra(graph.lengths, directed=False, indices=centre) / graph.radius
    known = found[np.isfinite(found)]
    return torch.from_numpy(np.where(np.isfinite(found), found, UNREACHED * max(float(known.max()), 1e-300)))


def draw_geodesic(graph: GeodesicGraph, size: int, chosen: GeodesicSampling, generator: Generator) -> Int[Tensor, " m"]:
    r"""Draw a centre and spots around it, in the order of the draw, the centre first.

    .. math:: i \in \text{pool: the } \beta m \text{ nearest to the centre}, \quad p_i \propto \exp(-D_i / \tau)

    without replacement. D is geodesic, in RMS radii of the slide, so that tau = 1 as published is nearly uniform in the pool.

    Args:
        graph: Graph of the slide.
        size: Spots m, at most n.
        chosen: ``tau`` and ``pool``, beta.
        generator: Source of the draw.

    Source: the published GEARS system. There the adjacency was averaged with its transpose, so that an edge that only one end
    names had half its length, and paths ran along these; here it has its length.
    """
    n = graph.lengths.shape[0]
    centre = int(torch.randint(n, (), generator=generator))
    distance = geodesic_distances(graph, centre)
    pool = nearest_spots(distance, math.ceil(chosen.pool * size), centre)
    return weighted_draw(distance, pool, size, chosen.tau, generator, first=centre)


def nearest_spots(distance: Float[Tensor, " n"], count: int, centre: int) -> Int[Tensor, " p"]:
    """The ``count`` spots nearest to a centre (all where there are fewer), the centre among them."""
    key = distance.clone()
    key[centre] = -1.0
    return key.argsort(stable=True)[:count]


def weighted_draw(
    distance: Float[Tensor, " n"],
    pool: Int[Tensor, " p"],
    size: int,
    tau: float,
    generator: Generator,
    first: int | None = None,
) -> Int[Tensor, " m"]:
    """Draw spots of a pool without replacement, with probabilities proportional to exp(-distance / tau).

    Args:
        distance: Distance of every spot of the slide, shape (n,).
        pool: Spots that may be drawn, shape (p,).
        size: How many.
        tau: Reach.
        generator: Source of the draw.
        first: A spot of the pool that is drawn in any case.
    """
    # The largest of the keys log p + Gumbel noise are a draw one by one without replacement (Efraimidis and Spirakis 2006), and
    # no probability underflows.
    uniform = torch.rand(len(pool), generator=generator, dtype=torch.float64).clamp(min=1e-300)
    key = -distance[pool] / tau - (-uniform.log()).clamp(min=1e-300).log()
    if first is not None:
        key[pool == first] = math.inf
    return pool[key.topk(min(size, len(pool))).indices]

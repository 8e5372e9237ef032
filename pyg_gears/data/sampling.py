"""Which spots make a miniset: local, uniform and expression-drawn sampling, and overlapping pairs.

Everything is a function of its arguments and the generator, and returns spot numbers in ascending order, so that a
miniset keeps the order of its slide.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Generator, Tensor

from pyg_gears.data.geodesic_draw import GeodesicGraph, draw_geodesic, weighted_draw
from pyg_gears.data.miniset_recipe import (
    ExpressionSampling,
    GeodesicSampling,
    LocalSampling,
    MinisetRecipe,
    PairedViews,
)
from pyg_gears.data.paired_draw import draw_kinds
from pyg_gears.errors import expect

_WALKERS = 32
# Rounds of all walkers without a new spot after which the neighbourhood counts as exhausted.
_PATIENCE = 20


class WalkGraph(NamedTuple):
    """Neighbours of every spot in compressed rows: those of i are ``neighbor[start[i]:start[i + 1]]``."""

    start: Int[Tensor, " n+1"]
    neighbor: Int[Tensor, " e"]


def walk_graph(knn_h: Int[Tensor, "n k"]) -> WalkGraph:
    """The symmetric graph of a kNN table in the embedding, for random walks.

    Args:
        knn_h: Nearest neighbours of every spot in the embedding, shape (n, k).

    Returns:
        The union of both directions, without self-loops.
    """
    n, k = knn_h.shape
    row = np.repeat(np.arange(n), k)
    column = knn_h.cpu().numpy().reshape(-1)
    keep = row != column
    row, column = row[keep], column[keep]
    ones = np.ones(2 * row.size, dtype=np.float32)
    both = csr_array((ones, (np.concatenate([row, column]), np.concatenate([column, row]))), shape=(n, n))
    both.sum_duplicates()
    return WalkGraph(torch.from_numpy(both.indptr).long(), torch.from_numpy(both.indices).long())


def draw_size(low: int, high: int, available: int, generator: Generator) -> int:
    """A miniset size, uniform in low..high (both included), then clipped to the ``available`` spots."""
    return min(int(torch.randint(low, high + 1, (), generator=generator)), available)


def draw_miniset(
    pos: Float[Tensor, "n 2"],
    walk: WalkGraph | None,
    size: int,
    recipe: MinisetRecipe,
    generator: Generator,
    geodesics: GeodesicGraph | None = None,
) -> Int[Tensor, " m"]:
    r"""Draw the spots of one miniset by one of the recipe's kinds of sampling, chosen by their shares.

    * local: a centre, uniform over the slide, then spots without replacement with probability proportional to
      :math:`\exp(-d / \tau_c)`. :math:`\tau_c` is ``tau`` times the radius around the centre that holds ``size``
      spots: at 1, a slide of even density spreads the weight over about 2 ``size`` spots, whatever its scale and size.
    * uniform: uniform over the slide.
    * expression: the first spots that random walks with restart visit on the kNN graph of the embedding, as patches
      of cells without coordinates are drawn.
    * geodesic: a centre, then spots of a pool around it, see :func:`~pyg_gears.data.geodesic_draw.draw_geodesic`.

    Args:
        pos: Coordinates of the slide, shape (n, 2), any unit.
        walk: Graph for expression-drawn minisets (:func:`walk_graph`); ``None`` if the recipe has none.
        size: Number of spots; clipped to n.
        recipe: ``local``, ``uniform``, ``expression`` and ``geodesic``.
        generator: Source of randomness.
        geodesics: Graph for geodesic minisets (:func:`~pyg_gears.data.geodesic_draw.geodesic_graph`); ``None`` if the recipe has
            none.

    Returns:
        Spot numbers, ascending, shape (min(size, n),).

    Raises:
        InputError: for a size below 1, no spots, or a missing graph.
    """
    n = pos.size(0)
    expect(size >= 1, f"expected a miniset of at least 1 spot, found {size}; ask for more.")
    expect(n > 0, "expected spots to draw from, found none; leave the slide out.")
    size = min(size, n)
    kinds = [kind for kind in (recipe.local, recipe.uniform, recipe.expression, recipe.geodesic) if kind is not None]
    kind = kinds[0]
    if len(kinds) > 1:
        kind = kinds[int(torch.multinomial(torch.tensor([one.share for one in kinds]), 1, generator=generator))]
    if isinstance(kind, LocalSampling):
        chosen = _local(pos, size, kind.tau, generator)
    elif isinstance(kind, ExpressionSampling):
        expect(walk is not None, "expected neighbours in the embedding to walk on, found none; pass walk_graph(knn_h).")
        assert walk is not None
        chosen = _expression(walk, n, size, kind.restart, generator)
    elif isinstance(kind, GeodesicSampling):
        chosen = draw_geodesic(_known(geodesics), size, kind, generator)
    else:
        chosen = torch.randperm(n, generator=generator)[:size]
    return chosen.sort().values


def _known(geodesics: GeodesicGraph | None) -> GeodesicGraph:
    expect(
        geodesics is not None, "expected a graph to measure distances along, found none; pass geodesic_graph(pos, k)."
    )
    assert geodesics is not None
    return geodesics


def draw_pair(
    pos: Float[Tensor, "n 2"],
    walk: WalkGraph | None,
    size: int,
    recipe: MinisetRecipe,
    views: PairedViews,
    generator: Generator,
    geodesics: GeodesicGraph | None = None,
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Draw two views of equal size that share at least max(n_min, alpha * size) spots.

    One larger miniset is drawn and its spots are dealt at random: shared by both views, or to one of them. Each
    view alone is then distributed like the other. With ``views.kinds`` see :func:`~pyg_gears.data.paired_draw.draw_kinds`.

    Args:
        pos: As in :func:`draw_miniset`.
        walk: As in :func:`draw_miniset`.
        size: Number of spots of each view; clipped to n.
        recipe: As in :func:`draw_miniset`.
        views: How much the views share; ``n_min`` is clipped to the view.
        generator: Source of randomness.
        geodesics: As in :func:`draw_miniset`.

    Returns:
        Two ascending index sets, each of shape (min(size, n),).

    Raises:
        InputError: see :func:`draw_miniset`; for kinds of pairs without geodesic minisets.
    """
    size = min(size, pos.size(0))
    if views.kinds is not None:
        expect(
            recipe.geodesic is not None,
            "expected minisets.geodesic with model.pairs.kinds, found none; set minisets.geodesic, or leave the kinds out.",
        )
        assert recipe.geodesic is not None
        return draw_kinds(_known(geodesics), size, recipe.geodesic, views, generator)
    shared = min(size, max(views.n_min, math.ceil(views.alpha * size)))
    union = draw_miniset(pos, walk, 2 * size - shared, recipe, generator, geodesics)
    # A slide too small for the union leaves more to share.
    own = union.numel() - size
    deal = union[torch.randperm(union.numel(), generator=generator)]
    first, second, both = deal[:own], deal[own : 2 * own], deal[2 * own :]
    return torch.cat([both, first]).sort().values, torch.cat([both, second]).sort().values


def _local(pos: Tensor, size: int, tau: float, generator: Generator) -> Tensor:
    n = pos.size(0)
    centre = int(torch.randint(n, (), generator=generator))
    distance = (pos.double() - pos[centre].double()).norm(dim=1)
    radius = distance.kthvalue(size).values.clamp(min=torch.finfo(torch.float64).tiny)
    return weighted_draw(distance, torch.arange(n), size, tau * float(radius), generator, first=centre)


def _expression(walk: WalkGraph, n: int, size: int, restart: float, generator: Generator) -> Tensor:
    home = int(torch.randint(n, (), generator=generator))
    order, seen, idle = [home], {home}, 0
    walker = torch.full((_WALKERS,), home)
    while len(order) < size:
        first, degree = walk.start[walker], walk.start[walker + 1] - walk.start[walker]
        chance = torch.rand(2, _WALKERS, generator=generator, dtype=torch.float64)
        offset = torch.minimum((chance[0] * degree).long(), (degree - 1).clamp(min=0))
        stay = (degree == 0) | (chance[1] < restart)
        # An isolated spot has no entry to read; the walker returns to its start.
        step = walk.neighbor[torch.where(stay, 0, first + offset)] if walk.neighbor.numel() else walker
        walker = torch.where(stay, home, step)
        before = len(order)
        for spot in walker.tolist():
            if spot not in seen:
                seen.add(spot)
                order.append(spot)
        idle = idle + 1 if len(order) == before else 0
        if idle == _PATIENCE and len(order) < size:
            rest = torch.ones(n, dtype=torch.bool).index_fill(0, torch.tensor(order), False).nonzero()[:, 0]
            home, idle = int(rest[torch.randint(rest.numel(), (), generator=generator)]), 0
            seen.add(home)
            order.append(home)
            walker = torch.full((_WALKERS,), home)
    return torch.tensor(order[:size])

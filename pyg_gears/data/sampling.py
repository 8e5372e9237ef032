"""Which spots make a miniset: local, global and expression-drawn sampling, and overlapping pairs.

Everything is a function of its arguments and the generator, and returns spot numbers in ascending order, so that a
miniset keeps the order of its slide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from torch import Generator, Tensor

from pyg_gears.errors import expect, nearest_name

SAMPLERS = ("local", "global", "expression", "mixed")
"""The kinds of sampling that ``draw_miniset`` knows."""

EVEN_MIXTURE: Mapping[str, float] = {"local": 0.5, "global": 0.5}

_WALKERS = 32
# Rounds of all walkers without a new spot after which the neighbourhood counts as exhausted.
_PATIENCE = 20


class WalkGraph(NamedTuple):
    """Neighbours of every spot in compressed rows: those of i are ``neighbor[start[i]:start[i + 1]]``."""

    start: Int[Tensor, " n+1"]
    neighbor: Int[Tensor, " e"]


def walk_graph(knn_h: Int[Tensor, "n k"], allowed: Bool[Tensor, " n"] | None = None) -> WalkGraph:
    """The symmetric graph of a kNN table in the embedding, for random walks.

    Args:
        knn_h: Nearest neighbours of every spot in the embedding, shape (n, k).
        allowed: Spots that may be visited, shape (n,); all if omitted.

    Returns:
        The union of both directions, without self-loops and without edges that touch other spots.
    """
    n, k = knn_h.shape
    row = np.repeat(np.arange(n), k)
    column = knn_h.cpu().numpy().reshape(-1)
    keep = row != column
    if allowed is not None:
        mask = allowed.cpu().numpy()
        keep &= mask[row] & mask[column]
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
    knn_h: WalkGraph | None,
    size: int,
    kind: str,
    generator: Generator,
    *,
    allowed: Bool[Tensor, " n"] | None = None,
    tau: float = 1.0,
    restart: float = 0.15,
    weights: Mapping[str, float] = EVEN_MIXTURE,
) -> Int[Tensor, " m"]:
    r"""Draw the spots of one miniset.

    * ``local``: a centre, uniform over the slide, then spots without replacement with probability proportional to
      :math:`\exp(-d / \tau_c)`. :math:`\tau_c` is ``tau`` times the radius around the centre that holds ``size``
      spots: at 1, a slide of even density spreads the weight over about 2 ``size`` spots, whatever its scale and size.
    * ``global``: uniform over the slide.
    * ``expression``: the first spots that random walks with restart visit on the kNN graph of the embedding, as patches
      of cells without coordinates are drawn.
    * ``mixed``: one of the three, by ``weights``.

    Args:
        pos: Coordinates of the slide, shape (n, 2), any unit.
        knn_h: Graph for ``expression`` (from ``walk_graph``, built with the same ``allowed``); ``None`` if never used.
        size: Number of spots; clipped to the allowed ones.
        kind: One of ``SAMPLERS``.
        generator: Source of randomness.
        allowed: Spots that may be drawn, shape (n,); all if omitted.
        tau: Reach of ``local``, > 0, in radii that hold ``size`` spots.
        restart: Chance of a walker to return to its start at each step, 0..1.
        weights: Share of each kind in ``mixed``; need not sum to 1.

    Returns:
        Spot numbers, ascending, shape (min(size, allowed),).

    Raises:
        InputError: for an unknown kind, a missing walk graph, or a size, ``tau`` or weight out of range.
    """
    expect(size >= 1, f"Expected a miniset of at least 1 spot, found {size}; ask for more.")
    pool = torch.arange(pos.size(0)) if allowed is None else allowed.nonzero()[:, 0]
    expect(pool.numel() > 0, "Expected spots to draw from, found none allowed; allow some.")
    size = min(size, pool.numel())
    if kind == "mixed":
        kind = _draw_kind(weights, generator)
    if kind == "local":
        chosen = _local(pos[pool], size, tau, generator)
    elif kind == "global":
        chosen = torch.randperm(pool.numel(), generator=generator)[:size]
    else:
        hint = nearest_name(kind, SAMPLERS)
        expect(kind == "expression", f"Expected a sampling of {SAMPLERS}, found {kind!r}{hint}; name one of them.")
        return _expression(knn_h, pool, size, restart, generator).sort().values
    return pool[chosen].sort().values


def draw_pair(
    pos: Float[Tensor, "n 2"],
    knn_h: WalkGraph | None,
    size: int,
    kind: str,
    generator: Generator,
    *,
    alpha: float = 0.5,
    n_min: int = 32,
    allowed: Bool[Tensor, " n"] | None = None,
    tau: float = 1.0,
    restart: float = 0.15,
    weights: Mapping[str, float] = EVEN_MIXTURE,
) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Draw two views of equal size that share at least max(n_min, alpha * size) spots.

    One larger miniset is drawn and its spots are dealt at random: shared by both views, or to one of them. Each
    view alone is then distributed like the other.

    Args:
        pos: As in ``draw_miniset``.
        knn_h: As in ``draw_miniset``.
        size: Number of spots of each view; clipped to the allowed ones.
        kind: One of ``SAMPLERS``.
        generator: Source of randomness.
        alpha: Least shared part of a view, 0..1.
        n_min: Least number of shared spots; clipped to the view.
        allowed: As in ``draw_miniset``.
        tau: As in ``draw_miniset``.
        restart: As in ``draw_miniset``.
        weights: As in ``draw_miniset``.

    Returns:
        Two ascending index sets, each of shape (min(size, allowed),).

    Raises:
        InputError: when ``alpha`` is not in 0..1, and as ``draw_miniset``.
    """
    expect(0 <= alpha <= 1, f"Expected a shared part alpha in 0..1, found {alpha}; choose one between.")
    available = pos.size(0) if allowed is None else int(allowed.sum())
    size = min(size, available)
    shared = min(size, max(n_min, math.ceil(alpha * size)))
    union = draw_miniset(
        pos,
        knn_h,
        2 * size - shared,
        kind,
        generator,
        allowed=allowed,
        tau=tau,
        restart=restart,
        weights=weights,
    )
    # A slide too small for the union leaves more to share.
    own = union.numel() - size
    deal = union[torch.randperm(union.numel(), generator=generator)]
    first, second, both = deal[:own], deal[own : 2 * own], deal[2 * own :]
    return torch.cat([both, first]).sort().values, torch.cat([both, second]).sort().values


def _draw_kind(weights: Mapping[str, float], generator: Generator) -> str:
    kinds = SAMPLERS[:-1]
    unknown = [kind for kind in weights if kind not in kinds]
    expect(not unknown, f"Expected weights for {kinds}, found {unknown}; rename them.")
    share = torch.tensor([float(weights.get(kind, 0.0)) for kind in kinds])
    expect(
        bool((share >= 0).all() and share.sum() > 0 and share.isfinite().all()),
        f"Expected non-negative weights with a positive sum, found {dict(weights)}; change them.",
    )
    return kinds[int(torch.multinomial(share, 1, generator=generator))]


def _local(pos: Tensor, size: int, tau: float, generator: Generator) -> Tensor:
    expect(tau > 0, f"Expected a positive reach tau, found {tau}; enlarge it.")
    n = pos.size(0)
    centre = int(torch.randint(n, (), generator=generator))
    distance = (pos.double() - pos[centre].double()).norm(dim=1)
    radius = distance.kthvalue(size).values.clamp(min=torch.finfo(torch.float64).tiny)
    # Gumbel noise on log-weights, then the largest: the same as drawing one by one without replacement
    # (Efraimidis and Spirakis 2006), and no weight underflows.
    uniform = torch.rand(n, generator=generator, dtype=torch.float64).clamp(min=1e-300)
    key = -distance / (tau * radius) - (-uniform.log()).clamp(min=1e-300).log()
    key[centre] = math.inf
    return key.topk(size).indices


def _expression(walk: WalkGraph | None, pool: Tensor, size: int, restart: float, generator: Generator) -> Tensor:
    expect(walk is not None, "Expected neighbours in the embedding to walk on, found none; pass walk_graph(knn_h).")
    assert walk is not None
    expect(0 <= restart < 1, f"Expected a restart chance in 0..1 (1 excluded), found {restart}; lower it.")
    home = int(pool[torch.randint(pool.numel(), (), generator=generator)])
    order, seen, idle = [home], {home}, 0
    permitted = set(pool.tolist())  # also when the graph was built without the mask
    walker = torch.full((_WALKERS,), home)
    while len(order) < size:
        first, degree = walk.start[walker], walk.start[walker + 1] - walk.start[walker]
        chance = torch.rand(2, _WALKERS, generator=generator, dtype=torch.float64)
        offset = torch.minimum((chance[0] * degree).long(), (degree - 1).clamp(min=0))
        stay = (degree == 0) | (chance[1] < restart)
        # An isolated spot has no entry to read; it goes home.
        step = walk.neighbor[torch.where(stay, 0, first + offset)] if walk.neighbor.numel() else walker
        walker = torch.where(stay, home, step)
        before = len(order)
        for spot in walker.tolist():
            if spot in permitted and spot not in seen:
                seen.add(spot)
                order.append(spot)
        idle = idle + 1 if len(order) == before else 0
        if idle == _PATIENCE and len(order) < size:
            rest = pool[~torch.isin(pool, torch.tensor(order))]
            home, idle = int(rest[torch.randint(rest.numel(), (), generator=generator)]), 0
            seen.add(home)
            order.append(home)
            walker = torch.full((_WALKERS,), home)
    return torch.tensor(order[:size])

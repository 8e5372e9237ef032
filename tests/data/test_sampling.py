from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from pyg_gears.data import (
    ExpressionSampling,
    LocalSampling,
    MinisetRecipe,
    PairedViews,
    UniformSampling,
    WalkGraph,
    draw_miniset,
    draw_pair,
    draw_size,
    walk_graph,
)
from pyg_gears.errors import InputError


def seeded(seed: int) -> Generator:
    return torch.Generator().manual_seed(seed)


def slide(n: int, seed: int = 0, k: int = 8) -> tuple[Tensor, Tensor]:
    """Positions, and neighbours in an embedding that has nothing to do with them."""
    generator = seeded(seed)
    pos = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 1000
    h = torch.randn(n, 4, generator=generator)
    return pos, torch.cdist(h, h).fill_diagonal_(torch.inf).topk(min(k, n - 1), largest=False).indices


LOCAL = MinisetRecipe(uniform=None)
UNIFORM = MinisetRecipe(local=None)
EXPRESSION = MinisetRecipe(local=None, uniform=None, expression=ExpressionSampling())
THIRDS = MinisetRecipe(expression=ExpressionSampling())
KINDS = {"local": LOCAL, "uniform": UNIFORM, "expression": EXPRESSION, "mixed": THIRDS}


@given(
    n=st.integers(2, 80),
    size=st.integers(1, 100),
    kind=st.sampled_from(sorted(KINDS)),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=80, deadline=None)
def test_draws_are_distinct_ascending_and_of_the_right_number(n: int, size: int, kind: str, seed: int) -> None:
    pos, knn = slide(n, seed)
    spots = draw_miniset(pos, walk_graph(knn), size, KINDS[kind], seeded(seed))
    assert spots.shape == (min(size, n),)
    assert (spots.diff() > 0).all()
    assert 0 <= int(spots[0]) <= int(spots[-1]) < n


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_seed_decides(kind: str) -> None:
    pos, knn = slide(200)
    draws = [draw_miniset(pos, walk_graph(knn), 50, KINDS[kind], seeded(s)) for s in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_spot_is_reached(kind: str) -> None:
    pos, knn = slide(150)
    walk, generator = walk_graph(knn), seeded(0)
    seen = torch.zeros(150, dtype=torch.long)
    for _ in range(60):
        seen[draw_miniset(pos, walk, 30, KINDS[kind], generator)] += 1
    assert (seen > 0).all()


def test_uniform_sampling_is_uniform() -> None:
    pos, _ = slide(40)
    generator, seen = seeded(0), torch.zeros(40)
    for _ in range(4000):
        seen[draw_miniset(pos, None, 10, UNIFORM, generator)] += 1
    torch.testing.assert_close(seen / 4000, torch.full((40,), 0.25), atol=0.03, rtol=0)


def test_local_pairs_follow_the_exponential_law() -> None:
    """Two spots: P(pair) = (P(j | centre i) + P(i | centre j)) / n, in closed form."""
    pos = torch.tensor([[0.0, 0], [1, 0], [3, 0], [3, 2]], dtype=torch.float64)
    tau, generator = 0.7, seeded(3)
    distance = torch.cdist(pos, pos)
    radius = distance.sort(dim=1).values[:, 1:2]  # holds two spots
    law = torch.exp(-distance / (tau * radius)).fill_diagonal_(0)
    law = law / law.sum(dim=1, keepdim=True)
    expected = (law + law.T) / 4
    seen = torch.zeros(4, 4, dtype=torch.float64)
    draws = 6000
    for _ in range(draws):
        i, j = draw_miniset(pos, None, 2, MinisetRecipe(uniform=None, local=LocalSampling(tau=tau)), generator)
        seen[i, j] += 1
    torch.testing.assert_close((seen / draws).triu(1), expected.triu(1), atol=0.025, rtol=0)


def test_nearer_spots_are_more_probable_and_tau_is_the_reach() -> None:
    grid = torch.cartesian_prod(torch.arange(30.0), torch.arange(30.0)).double()

    def spread(tau: float, scale: float) -> float:
        generator, total = seeded(0), 0.0
        recipe = MinisetRecipe(uniform=None, local=LocalSampling(tau=tau))
        for _ in range(40):
            part = grid[draw_miniset(grid * scale, None, 60, recipe, generator)]
            total += float((part - part.mean(dim=0)).norm(dim=1).mean())
        return total / 40

    assert spread(0.1, 1.0) < 0.8 * spread(1.0, 1.0) < 0.8 * spread(10.0, 1.0)
    # In units of the slide's own density: the same draws at any scale.
    assert spread(1.0, 1e-6) == spread(1.0, 1.0) == spread(1.0, 1e6)


def test_coinciding_spots_do_not_stop_local_sampling() -> None:
    assert draw_miniset(torch.zeros(50, 2), None, 20, LOCAL, seeded(0)).numel() == 20


def two_cliques(n: int) -> Tensor:
    """Neighbours within the first half or within the second."""
    return torch.stack([torch.arange(n)[(torch.arange(n) < n // 2) == (i < n // 2)].roll(i)[:6] for i in range(n)])


def test_expression_stays_in_the_embeddings_neighbourhood_until_it_is_exhausted() -> None:
    pos, _ = slide(100)
    walk = walk_graph(two_cliques(100))
    for seed in range(20):
        first_half = (draw_miniset(pos, walk, 30, EXPRESSION, seeded(seed)) < 50).sum()
        assert first_half in (0, 30)
    everything = draw_miniset(pos, walk, 100, EXPRESSION, seeded(0))
    assert torch.equal(everything, torch.arange(100))
    assert draw_miniset(
        pos, WalkGraph(torch.zeros(101).long(), torch.zeros(0).long()), 7, EXPRESSION, seeded(0)
    ).shape == (7,)


def test_walk_graph_is_the_symmetric_union_without_loops() -> None:
    knn = torch.tensor([[1, 0], [2, 0], [1, 1], [0, 2]])
    pairs = {(i, int(j)) for i in range(4) for j in knn[i] if i != int(j)}
    expected = sorted(pairs | {(j, i) for i, j in pairs})
    graph = walk_graph(knn)
    found = [(i, int(j)) for i in range(4) for j in graph.neighbor[graph.start[i] : graph.start[i + 1]]]
    assert sorted(found) == expected


def test_mixture_follows_its_shares() -> None:
    pos, _ = slide(100)
    walk = walk_graph(two_cliques(100))
    recipe = MinisetRecipe(local=None, uniform=UniformSampling(share=3.0), expression=ExpressionSampling(share=1.0))
    # Only expression keeps to one half.
    one_half = sum(int((draw_miniset(pos, walk, 20, recipe, seeded(s)) < 50).sum()) in (0, 20) for s in range(300))
    assert 0.17 < one_half / 300 < 0.33


@given(
    n=st.integers(1, 120),
    size=st.integers(1, 90),
    alpha=st.floats(0, 1),
    n_min=st.integers(0, 40),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_views_overlap_at_least_as_asked(n: int, size: int, alpha: float, n_min: int, seed: int) -> None:
    pos = torch.rand(n, 2, generator=seeded(seed), dtype=torch.float64)
    first, second = draw_pair(pos, None, size, LOCAL, PairedViews(alpha=alpha, n_min=n_min), seeded(seed))
    m = min(size, n)
    shared = int(torch.isin(first, second).sum())
    assert first.shape == second.shape == (m,)
    assert (first.diff() > 0).all()
    assert (second.diff() > 0).all()
    asked = min(m, max(n_min, math.ceil(alpha * m)))
    assert shared >= asked
    if n >= 2 * m:  # room enough: no more than asked
        assert shared == asked


def test_both_views_follow_the_seed_and_differ() -> None:
    pos, knn = slide(300)
    walk = walk_graph(knn)
    for recipe in KINDS.values():
        one, two = (draw_pair(pos, walk, 60, recipe, PairedViews(), seeded(5)) for _ in range(2))
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])
        assert not torch.equal(one[0], one[1])


def test_sizes_are_uniform_and_clipped() -> None:
    generator = seeded(0)
    sizes = torch.tensor([draw_size(5, 9, 100, generator) for _ in range(2000)])
    assert torch.equal(sizes.unique(), torch.arange(5, 10))
    assert (sizes.bincount()[5:] > 300).all()
    assert draw_size(5, 9, 3, generator) == 3


def test_bad_arguments() -> None:
    pos = torch.rand(30, 2)
    with pytest.raises(InputError, match="expected a miniset of at least 1 spot, found 0"):
        draw_miniset(pos, None, 0, LOCAL, seeded(0))
    with pytest.raises(InputError, match="expected neighbours in the embedding to walk on, found none"):
        draw_miniset(pos, None, 5, EXPRESSION, seeded(0))
    with pytest.raises(InputError, match="expected spots to draw from, found none"):
        draw_miniset(pos[:0], None, 5, LOCAL, seeded(0))

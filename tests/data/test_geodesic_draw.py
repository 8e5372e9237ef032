"""Geodesic minisets and the three kinds of pairs."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest
import torch

from pyg_gears.data import EmbeddedSlide, MinisetDataset
from pyg_gears.data.geodesic_draw import draw_geodesic, geodesic_distances, geodesic_graph, nearest_spots, weighted_draw
from pyg_gears.data.miniset_recipe import GeodesicSampling, MinisetRecipe, PairedViews, PairKinds
from pyg_gears.data.paired_draw import draw_kinds
from pyg_gears.data.sampling import draw_miniset, draw_pair
from pyg_gears.errors import InputError

CHOSEN = GeodesicSampling()


def ring(n: int = 120) -> torch.Tensor:
    """A ring with a gap: its ends are near in the plane and far along the tissue."""
    angle = torch.linspace(0, 1.9 * math.pi, n, dtype=torch.float64)
    return 7.0 * torch.stack([angle.cos(), angle.sin()], dim=1)


def cloud(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_distances(pos: torch.Tensor, k: int, centre: int) -> np.ndarray:
    """Dijkstra over an edge for each pair of which one end names the other."""
    n, distance = len(pos), torch.cdist(pos, pos)
    edges: list[dict[int, float]] = [{} for _ in range(n)]
    for i in range(n):
        for j in distance[i].argsort()[1 : k + 1].tolist():
            edges[i][j] = edges[j][i] = float(distance[i, j])
    found, queue = np.full(n, np.inf), [(0.0, centre)]
    while queue:
        length, spot = heapq.heappop(queue)
        if length < found[spot]:
            found[spot] = length
            for other, step in edges[spot].items():
                heapq.heappush(queue, (length + step, other))
    radius = float((pos - pos.mean(0)).square().sum(1).mean().sqrt())
    found = found / radius
    return np.where(np.isfinite(found), found, 2 * found[np.isfinite(found)].max())


@pytest.mark.parametrize("k", [1, 3, 6])
def test_distances_run_along_edges_of_full_length(k: int) -> None:
    pos = cloud(50)  # with one neighbour the graph is in parts
    for centre in (0, 17):
        found = geodesic_distances(geodesic_graph(pos, k), centre)
        np.testing.assert_allclose(found, slow_distances(pos, k, centre), rtol=1e-9)


def test_an_edge_that_one_end_names_is_not_shorter() -> None:
    """The far spot names the cluster, the cluster names itself: averaged with its transpose the edge would be half as long."""
    pos = torch.tensor([[0.0, 0], [1, 0], [0, 1], [9, 0]], dtype=torch.float64)
    graph = geodesic_graph(pos, 1)
    assert float(geodesic_distances(graph, 1)[3]) * graph.radius == pytest.approx(8.0)


def test_the_gap_of_a_ring_is_not_crossed() -> None:
    graph = geodesic_graph(ring(), 4)
    near_in_the_plane = geodesic_distances(graph, 0)[-1]
    assert float(near_in_the_plane) > 5.0
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        drawn = draw_geodesic(graph, 20, CHOSEN, generator)
        centre = int(drawn[0])
        assert (drawn - centre).abs().max() <= 40  # 40 spots at most on one side of the pool


def test_the_draw_is_exponential_in_the_pool_and_without_replacement() -> None:
    distance = torch.tensor([0.0, 0.5, 1.0, 2.0, 9.0], dtype=torch.float64)
    pool = nearest_spots(distance, 4, 0)
    assert sorted(pool.tolist()) == [0, 1, 2, 3]
    generator, count = torch.Generator().manual_seed(0), np.zeros(5)
    for _ in range(4000):
        count[int(weighted_draw(distance, pool, 1, 0.5, generator)[0])] += 1
    expected = np.exp(-distance.numpy() / 0.5) * [1, 1, 1, 1, 0]
    np.testing.assert_allclose(count / 4000, expected / expected.sum(), atol=0.02)
    drawn = weighted_draw(distance, pool, 3, 0.5, generator, first=3)
    assert drawn[0] == 3
    assert len(set(drawn.tolist())) == 3


def test_minisets_of_the_recipe_lie_around_a_centre() -> None:
    recipe = MinisetRecipe(local=None, uniform=None, geodesic=GeodesicSampling(pool=1.5, neighbors=5))
    pos, generator = ring(), torch.Generator().manual_seed(1)
    graph = geodesic_graph(pos, 5)
    spots = draw_miniset(pos, None, 24, recipe, generator, graph)
    assert len(spots) == 24
    assert torch.equal(spots, spots.unique())
    assert int(spots[-1] - spots[0]) <= 36
    slides = [EmbeddedSlide("a", torch.zeros(120, 3), pos.float())]
    first, again = (
        MinisetDataset(slides, recipe.change({"min_size": 24, "max_size": 24}), seed=3)[0] for _ in range(2)
    )
    assert torch.equal(first.node_id, again.node_id)
    assert int(first.node_id[-1] - first.node_id[0]) <= 36
    with pytest.raises(
        InputError, match=r"expected a graph to measure distances along, found none; pass geodesic_graph"
    ):
        draw_miniset(pos, None, 24, recipe, generator)


def views(kind: str, **changes: float) -> PairedViews:
    shares = {name: float(name == kind) for name in ("easy", "medium", "hard")}
    return PairedViews(n_min=4, kinds=PairKinds(**shares), **changes)


@pytest.mark.parametrize("kind", ["easy", "medium", "hard"])
def test_each_kind_shares_what_it_should(kind: str) -> None:
    pos = cloud(400)
    graph = geodesic_graph(pos, 8)
    generator, overlap, apart = torch.Generator().manual_seed(0), [], []
    for _ in range(30):
        a, b = draw_kinds(graph, 40, CHOSEN, views(kind), generator)
        for view in (a, b):
            assert len(view) == 40
            assert torch.equal(view, view.unique())
        overlap.append(int(torch.isin(a, b).sum()))
        apart.append(float((pos[a].mean(0) - pos[b].mean(0)).norm()))
    if kind == "easy":
        assert set(overlap) == {20}
    if kind == "hard":
        assert 6 <= min(overlap) < max(overlap) <= 10
    if kind == "medium":
        assert min(overlap) >= 20
        assert max(overlap) < 40
        easy = [draw_kinds(graph, 40, CHOSEN, views("easy"), generator) for _ in range(30)]
        assert np.mean(apart) > np.mean([float((pos[a].mean(0) - pos[b].mean(0)).norm()) for a, b in easy])


def test_small_slides_share_more() -> None:
    graph = geodesic_graph(cloud(30), 6)
    for kind in ("easy", "medium", "hard"):
        for size in (20, 30, 60):
            a, b = draw_kinds(graph, size, CHOSEN, views(kind), torch.Generator().manual_seed(0))
            assert len(a) == len(b) == min(size, 30)
            assert int(torch.isin(a, b).sum()) >= 2 * len(a) - 30


def test_pairs_of_kinds_come_through_the_dataset_and_need_geodesic_minisets() -> None:
    recipe = MinisetRecipe(count=4, min_size=24, max_size=24, local=None, uniform=None, geodesic=CHOSEN)
    slides = [EmbeddedSlide("a", torch.zeros(120, 3), ring().float())]
    pairs = MinisetDataset(slides, recipe, views=views("easy"), seed=0)
    a, b = pairs[2].node_id, pairs[3].node_id
    assert int(torch.isin(a, b).sum()) == 12
    plain = MinisetRecipe()
    with pytest.raises(
        InputError, match=r"expected minisets\.geodesic with model\.pairs\.kinds, found none; set minisets"
    ):
        draw_pair(ring(), None, 24, plain, views("easy"), torch.Generator())
    with pytest.raises(
        InputError, match=r"a kind of pairs with a share above 0, found none; raise easy, medium or hard"
    ):
        PairKinds(easy=0, medium=0, hard=0)

from __future__ import annotations

import tracemalloc
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

from pyg_gears.errors import InputError
from pyg_gears.layout import draw_patches
from pyg_gears.layout.patches import _breadth_first, _cover, _halves


def scatter(n: int, seed: int) -> np.ndarray:
    """Points in strips, so that successive ones are mostly near each other."""
    pos = np.random.default_rng(seed).random((n, 2))
    return pos[np.lexsort((pos[:, 1], (pos[:, 0] * 20).astype(int)))]


def neighbor_graph(n: int, seed: int, k: int = 4) -> csr_array:
    pos = scatter(n, seed)
    near = cKDTree(pos).query(pos, k=k + 1)[1][:, 1:]
    chain = np.arange(n - 1)
    row = np.concatenate([np.repeat(np.arange(n), k), chain])
    col = np.concatenate([near.ravel(), chain + 1])
    graph = csr_array((np.ones(len(row)), (row, col)), shape=(n, n))
    graph = (graph + graph.T).tocsr()
    graph.data[:] = 1
    return graph


def check(patches, n, size, cover, overlap):
    count = np.bincount(patches.cells, minlength=n)
    assert count.min() >= cover
    for patch in range(len(patches)):
        assert len(patches[patch]) == size
        assert (np.diff(patches[patch]) > 0).all()
    local = patches.membership[np.flatnonzero(~patches.is_global)]
    shared = (local @ local.T).toarray()
    assert connected_components(csr_array(shared >= max(overlap, 1)))[0] == 1
    assert (np.asarray(local.sum(axis=0)).ravel() >= 1).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(30, 300), st.integers(8, 25), st.integers(1, 5), st.floats(0, 1), st.integers(0, 99))
def test_cover_overlap_and_connection_hold(n, size, cover, share, seed):
    patches = draw_patches(neighbor_graph(n, seed), size, cover, size // 2, share, seed)
    check(patches, n, size, cover, size // 2)
    assert patches.is_global.any() == (share > 0)


def test_a_chain_is_connected_by_bridges():
    # On a long chain of cells patches hardly meet: the bridges have to do it.
    n = 400
    link = np.arange(n - 1)
    graph = csr_array((np.ones(n - 1), (link, link + 1)), shape=(n, n))
    check(draw_patches((graph + graph.T).tocsr(), 20, 1, 10, 0.0, 0), n, 20, 1, 10)


def ring_graph(n: int, steps: tuple[int, ...]) -> csr_array:
    row = np.repeat(np.arange(n), len(steps))
    graph = csr_array((np.ones(len(row)), (row, (row + np.tile(steps, n)) % n)), shape=(n, n))
    graph = (graph + graph.T).tocsr()
    graph.sort_indices()
    return graph


def peak_of(work) -> int:
    """Bytes that a call holds at most beyond what there was before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("steps", [(1, 2, 3, 5), (1,)])
def test_one_more_patch_costs_the_same_for_any_number_of_cells(steps):
    """Walks alone, and (on a bare ring, where walkers stay in a pocket) with the surroundings."""
    peak = []
    for n in (10_000, 160_000):
        patches = _cover(ring_graph(n, steps), 64, 1, np.random.default_rng(0))
        next(patches)
        peak.append(peak_of(lambda patches=patches: next(patches)))
    assert peak[1] < 1.5 * peak[0]


def test_one_more_bridge_costs_the_same_for_any_number_of_cells():
    peak = []
    for n in (10_000, 160_000):
        graph, (a, b) = ring_graph(n, (1, 2)), np.arange(128).reshape(2, 64)
        peak.append(peak_of(lambda graph=graph, a=a, b=b: _halves(graph, a, b, 64)))
    assert peak[1] < 1.5 * peak[0]


def test_the_surroundings_are_those_of_a_breadth_first_search():
    graph = neighbor_graph(200, 3)
    graph.sort_indices()
    order = breadth_first_order(graph, 17, directed=False, return_predecessors=False)
    assert list(_breadth_first(graph, 17)) == order.tolist()
    assert list(islice(_breadth_first(graph, 17), 5)) == order[:5].tolist()


def test_a_bridge_is_half_of_either_side_around_the_contact():
    found = _halves(ring_graph(1000, (1,)), np.arange(20), np.arange(20, 40), 20)
    assert sorted(found.tolist()) == list(range(10, 30))


def test_a_small_query_is_one_patch():
    patches = draw_patches(neighbor_graph(10, 0), 16, overlap=8)
    assert len(patches) == 1
    assert patches[0].tolist() == list(range(10))


def test_the_seed_decides():
    graph = neighbor_graph(200, 0)
    one, same, other = (draw_patches(graph, 32, overlap=8, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.cells, same.cells)
    assert not np.array_equal(one.cells[:100], other.cells[:100])


def test_local_patches_are_local_and_global_ones_are_not():
    pos = scatter(2000, 0)
    patches = draw_patches(neighbor_graph(2000, 0, 8), 64, seed=0)
    extent = np.array([pos[patches[patch]].std(axis=0).mean() for patch in range(len(patches))])
    assert np.median(extent[~patches.is_global]) < 0.5 * np.median(extent[patches.is_global])


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"size": 1}, "patches of at least 2 cells, found 1"),
        ({"min_cover": 0}, "min_cover of at least 1, found 0; raise it"),
        ({"size": 20, "overlap": 11}, r"an overlap of 0 to 10 \(half a patch\), found 11"),
        ({"global_share": 1.5}, r"global_share in \[0, 1\], found 1.5"),
    ],
)
def test_bad_arguments(wrong, text):
    with pytest.raises(InputError, match=text):
        draw_patches(neighbor_graph(50, 0), **wrong)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from pyg_gears.errors import InputError
from pyg_gears.layout import draw_patches


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


def test_a_small_query_is_one_patch():
    patches = draw_patches(neighbor_graph(10, 0), 16, overlap=8)
    assert len(patches) == 1
    assert patches[0].tolist() == list(range(10))
    assert patches.patch_of.tolist() == [0] * 10


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
        ({"min_cover": 0}, "min_cover of at least 1, found 0"),
        ({"size": 20, "overlap": 11}, r"an overlap of 0 to 10 \(half a patch\), found 11"),
        ({"global_share": 1.5}, r"global_share in \[0, 1\], found 1.5"),
    ],
)
def test_bad_arguments(wrong, text):
    with pytest.raises(InputError, match=text):
        draw_patches(neighbor_graph(50, 0), **wrong)

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from pyg_gears.errors import InputError
from pyg_gears.layout import locality_graph
from pyg_gears.layout.locality import MANY_PARTS, PROBES, _bridges


@settings(max_examples=25, deadline=None)
@given(
    st.integers(2, 60),
    st.integers(1, 12),
    st.floats(0, 0.9),
    st.sampled_from(["cosine", "euclidean"]),
    st.booleans(),
    st.integers(0, 99),
)
def test_no_cell_is_lost(n, k, jaccard, metric, duplicated, seed):
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    x = x[torch.arange(n) // 5] if duplicated else x
    found = locality_graph(x, k, jaccard, metric)
    dense = found.graph.toarray()
    assert connected_components(found.graph)[0] == 1
    assert (dense == dense.T).all()
    assert not dense.diagonal().any()
    assert set(np.unique(dense)) <= {0.0, 1.0}
    # Every link joins two parts, no more and no fewer.
    assert found.links + found.bridges == found.components - 1


def test_mutual_edges_with_overlap_stay_and_others_go():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(1))
    found = locality_graph(x, 6, 0.2, "euclidean")
    distance = torch.cdist(x.double(), x.double()).fill_diagonal_(torch.inf).numpy()
    lists = [set(row) for row in np.argsort(distance, axis=1)[:, :6]]
    expected = np.zeros((40, 40), dtype=bool)
    for i in range(40):
        for j in lists[i]:
            overlap = len(lists[i] & lists[j]) / len(lists[i] | lists[j])
            expected[i, j] = i in lists[j] and overlap > 0.2
    extra = found.graph.toarray().astype(bool) & ~expected
    assert (found.graph.toarray().astype(bool) >= expected).all()
    assert extra.sum() == 2 * (found.links + found.bridges)
    assert found.isolated == (~expected.any(axis=1)).sum()


def test_two_islands_are_bridged_by_their_nearest_cells():
    x = torch.cat([torch.arange(6.0), 100 + torch.arange(6.0)])[:, None]
    found = locality_graph(x, 2, 0.0, "euclidean")
    assert found.bridges == 1
    assert found.graph[[5], [6]] == 1


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_great_many_islands_are_joined_to_near_ones(metric):
    """Copies of 90 cells: no neighbour list leaves its island."""
    angle = torch.arange(90) * (2 * torch.pi / 90)
    x = torch.stack([angle.cos(), angle.sin()], dim=1).repeat_interleave(8, dim=0)
    found = locality_graph(x, 4, 0.0, metric)
    assert connected_components(found.graph)[0] == 1
    assert found.bridges == 89
    row, col = found.graph.nonzero()
    apart = np.abs(row // 8 - col // 8)
    assert np.minimum(apart, 90 - apart).max() == 1


def test_the_search_across_islands_grows_with_the_cells_alone(monkeypatch):
    """Not with cells times islands: distances are counted that the search computes outside of ``knn``."""
    counted = [0]
    cdist = torch.cdist

    def counting(a, b):
        counted[0] += len(a) * len(b)
        return cdist(a, b)

    monkeypatch.setattr(torch, "cdist", counting)
    for islands in (60, 960):
        label = np.repeat(np.arange(islands), 5)
        x = torch.from_numpy(label)[:, None].float()
        inside = np.arange(5 * islands).reshape(-1, 5)
        edges = np.stack([inside[:, :-1].ravel(), inside[:, 1:].ravel()])
        counted[0] = 0
        assert _bridges(x, edges, "euclidean").shape[1] == islands - 1
        assert counted[0] <= MANY_PARTS * PROBES * len(x)


def test_one_cell_is_refused():
    with pytest.raises(InputError, match="at least 2 cells, found 1"):
        locality_graph(torch.zeros(1, 3))


def test_shared_neighbours_keep_what_the_overlap_would_not():
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(2))
    distance = torch.cdist(x.double(), x.double()).fill_diagonal_(torch.inf).numpy()
    lists = [set(row) for row in np.argsort(distance, axis=1)[:, :8]]
    sizes = []
    for jaccard, shared in ((0.6, 0), (0.6, 5), (0.0, 5), (0.6, 3)):
        found = locality_graph(x, 8, jaccard, "euclidean", shared)
        expected = np.zeros((60, 60), dtype=bool)
        for i in range(60):
            for j in lists[i]:
                common = len(lists[i] & lists[j])
                close = common / (16 - common) > jaccard or (shared > 0 and common >= shared)
                expected[i, j] = i in lists[j] and close
        dense = found.graph.toarray().astype(bool)
        assert (dense >= expected).all()
        assert (dense & ~expected).sum() == 2 * (found.links + found.bridges)
        sizes.append(expected.sum())
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[1] < sizes[3]


@pytest.mark.parametrize("jaccard", [-0.1, 1.0, float("nan")])
def test_an_overlap_out_of_its_range_is_refused(jaccard: float) -> None:
    with pytest.raises(InputError, match=r"expected a Jaccard overlap in \[0, 1\), found"):
        locality_graph(torch.randn(12, 3), jaccard=jaccard)

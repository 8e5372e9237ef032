from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_gears.layout import connectivity
from pyg_gears.layout.connectivity import connect_pairs, linking_edges, parts


def kruskal(n, kept, offered, cost):
    root = list(range(n))

    def find(a):
        while root[a] != a:
            a = root[a]
        return a

    for a, b in kept.T:
        root[find(a)] = find(b)
    total = 0.0
    for edge in np.argsort(cost, kind="stable"):
        a, b = find(offered[0, edge]), find(offered[1, edge])
        if a != b:
            root[a] = b
            total += cost[edge]
    return total


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 25), st.integers(0, 20), st.integers(0, 60), st.integers(0, 999))
def test_a_minimum_spanning_forest(n, k, e, seed):
    rng = np.random.default_rng(seed)
    kept, offered = rng.integers(0, n, (2, k)), rng.integers(0, n, (2, e))
    cost = rng.integers(0, 9, e).astype(float)
    found = linking_edges(n, kept, offered, cost)
    both = np.concatenate([kept, offered[:, found.chosen]], axis=1)
    everything = np.concatenate([kept, offered], axis=1)
    assert np.array_equal(parts(n, both), parts(n, everything))
    assert np.isclose(cost[found.chosen].sum(), kruskal(n, kept, offered, cost))
    assert found.chosen.sum() == parts(n, kept).max() - parts(n, both).max()


def test_the_graph_of_the_parts_has_places_of_32_bits(monkeypatch):
    """SciPy before 1.17.1 takes no others."""
    given = []
    own = connectivity.minimum_spanning_tree
    monkeypatch.setattr(connectivity, "minimum_spanning_tree", lambda graph: given.append(graph) or own(graph))
    found = linking_edges(4, np.array([[0], [1]]), np.array([[1, 2], [2, 3]]), np.ones(2))
    assert (found.chosen.all(), found.components) == (True, 3)
    assert [graph.indices.dtype for graph in given] == [np.int32]


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 25), st.integers(0, 60), st.floats(0, 1), st.integers(0, 999))
def test_dropped_pairs_that_join_the_kept_ones_are_the_most_worth(n, e, share, seed):
    rng = np.random.default_rng(seed)
    pairs, keep = rng.integers(0, n, (2, e)), rng.random(e) < share
    worth = rng.integers(0, 9, e).astype(float)
    found = connect_pairs(n, pairs, keep, worth)
    assert found[keep].all()
    added = found & ~keep
    slow = linking_edges(n, pairs[:, keep], pairs[:, ~keep], -worth[~keep]).chosen
    assert np.array_equal(added[~keep], slow)


def test_parts_of_some_edges_however_many_are_taken_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    pairs, keep = rng.integers(0, 60, (2, 90)), rng.random(90) < 0.4
    worth = rng.random(90)
    whole, joined = parts(60, pairs[:, keep]), connect_pairs(60, pairs, keep, worth)
    assert whole.max() > 5
    monkeypatch.setattr(connectivity, "EDGES", 7)
    assert np.array_equal(parts(60, pairs, keep), whole)
    assert np.array_equal(connect_pairs(60, pairs, keep, worth), joined)

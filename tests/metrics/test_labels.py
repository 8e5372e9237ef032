from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from pyg_gears.errors import InputError
from pyg_gears.metrics.labels import community_purity, layout_graph, layout_morans_i, leiden


def _clusters() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    kind = np.repeat(np.arange(4), 50)
    centre = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])[kind]
    return centre + generator.normal(size=(200, 2)), kind


def test_purity_of_separate_and_of_shuffled_types() -> None:
    pytest.importorskip("igraph")
    pos, kind = _clusters()
    found = community_purity(pos, [f"type {i}" for i in kind])
    assert found.purity == 1.0
    assert found.communities == 4
    shuffled = community_purity(pos, np.random.default_rng(1).permutation(kind))
    assert shuffled.purity == pytest.approx(shuffled.chance, abs=0.1)
    assert found.chance == pytest.approx(shuffled.chance, abs=0.05)


def test_purity_slow_statement() -> None:
    pytest.importorskip("igraph")
    pos, kind = _clusters()
    kind = np.where(np.random.default_rng(2).random(200) < 0.3, 0, kind)
    community = leiden(layout_graph(pos), seed=0)
    found, hits = community_purity(pos, kind), 0
    for c in set(community.tolist()):
        members = kind[community == c].tolist()
        most = max(members.count(t) for t in set(members))
        hits += most
        assert found.table[c].size == len(members)
        assert members.count(int(found.table[c].majority)) == most
        assert found.table[c].purity == pytest.approx(most / len(members))
    assert found.purity == pytest.approx(hits / 200)
    assert found.communities == len(found.table) == len(set(community.tolist()))
    assert np.array_equal(found.community, community)


def test_defaults_are_the_published_ones_and_both_options_count() -> None:
    pytest.importorskip("igraph")
    pos, kind = np.random.default_rng(0).random((400, 2)), np.arange(400) % 3
    published = community_purity(pos, kind, k=15, resolution=0.2)
    assert community_purity(pos, kind).table == published.table
    assert community_purity(pos, kind, resolution=2.0).communities > published.communities
    assert community_purity(pos, kind, k=4).table != published.table


def test_leiden_is_seeded_and_leaves_the_process_generator_alone() -> None:
    pytest.importorskip("igraph")
    pos = np.random.default_rng(0).random((300, 2))
    random.seed(5)
    expected = random.random()
    random.seed(5)
    first = leiden(layout_graph(pos), seed=3)
    assert random.random() == expected
    assert np.array_equal(first, leiden(layout_graph(pos), seed=3))
    assert (np.diff(np.bincount(first)) <= 0).all()


def test_missing_igraph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[eval\]'"):
        leiden(layout_graph(_clusters()[0]))


def test_moran_slow_statement() -> None:
    pos = np.random.default_rng(0).random((60, 2))
    v = pos[:, 0] + 0.2 * np.random.default_rng(1).normal(size=60)
    z = v - v.mean()
    total = 0.0
    for i in range(60):
        near = np.argsort(((pos[i] - pos) ** 2).sum(axis=1))[1:16]
        total += sum(z[i] * z[j] for j in near) / 15
    assert layout_morans_i(pos, v[:, None])[0] == pytest.approx(total / (z**2).sum(), abs=1e-12)


def test_moran_of_smooth_random_and_constant_programmes() -> None:
    generator = np.random.default_rng(0)
    pos = generator.random((800, 2))
    values = np.stack([pos[:, 0], generator.random(800), np.full(800, 0.1)], axis=1)
    smooth, noise, constant = layout_morans_i(pos, values)
    assert smooth > 0.9
    assert abs(noise) < 0.05
    assert np.isnan(constant)


def test_refuses_other_sizes() -> None:
    pos, kind = _clusters()
    with pytest.raises(InputError, match="expected at least 1 neighbour per cell, found 0"):
        community_purity(pos, kind, k=0)
    with pytest.raises(InputError, match=r"expected a resolution above 0, found 0\.0"):
        community_purity(pos, kind, resolution=0.0)
    with pytest.raises(InputError, match="expected a seed of a whole number of at least 0, found -1; give another"):
        community_purity(pos, kind, seed=-1)
    with pytest.raises(InputError, match="expected one type for each of 200 cells, found 199"):
        community_purity(pos, kind[:-1])
    with pytest.raises(InputError, match=r"expected finite values of shape \(200, programmes\)"):
        layout_morans_i(pos, np.ones(200))


def test_moran_refuses_no_neighbour() -> None:
    pos = np.random.default_rng(0).random((9, 2))
    with pytest.raises(InputError, match="expected k to be a whole number above 0, found 0; give one"):
        layout_morans_i(pos, pos, k=0)

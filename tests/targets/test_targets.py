from __future__ import annotations

import inspect
import math
from functools import partial
from typing import Any

import pytest
import torch
from torch_geometric.data import Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix, nearest_neighbors
from pyg_gears.targets import (
    fuzzy_target,
    gate_target,
    landmark_count,
    lle_target,
    log_transitions,
    multiscale_stress_target,
    neighbor_count,
    neighborhood_target,
    random_walk_target,
    ring_triplets,
    walk_steps,
)
from pyg_gears.targets.multiscale_stress import stress_neighbors
from pyg_gears.transforms import CandidateGraph, GeometricTargets
from tests.pairwise_distance import pairwise_distance


def slow_transitions(pos: torch.Tensor, k: int) -> torch.Tensor:
    """T of the formula, entry by entry, in float64."""
    x = gauge_fix(pos.double())
    n = len(x)
    neighbors = nearest_neighbors(x, k)
    sigma = neighbors.distance[:, -1]
    w = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in neighbors.index[i].tolist():
            w[i, j] = math.exp(-float((x[i] - x[j]).square().sum()) / (float(sigma[i] * sigma[j]) + 1e-8))
    w = (w + w.T) / 2
    return w / w.sum(dim=1, keepdim=True)


def test_sizes_follow_the_rule() -> None:
    assert [neighbor_count(n) for n in (10, 96, 128, 384)] == [9, 20, 20, 57]
    assert [walk_steps(n) for n in (96, 160, 161, 300, 301)] == [3, 3, 4, 4, 5]
    assert [landmark_count(n) for n in (5, 96, 384)] == [5, 8, 24]


@pytest.mark.parametrize("n", [30, 150])
def test_walk_is_the_formula(n: int) -> None:
    pos = torch.rand(n, 2, dtype=torch.float64)
    walk = random_walk_target(pos)
    t = torch.zeros(n, n, dtype=torch.float64)
    t[walk.edge_index[1], walk.edge_index[0]] = log_transitions(
        walk.log_ref, walk.multiplicity, walk.edge_index, n
    ).exp()
    torch.testing.assert_close(t, slow_transitions(pos, neighbor_count(n)), atol=1e-12, rtol=0)
    assert set(walk.multiplicity.unique().tolist()) <= {0.5, 1.0}
    key = walk.edge_index[1] * n + walk.edge_index[0]
    assert torch.equal(key, key.unique())
    assert not (walk.edge_index[0] == walk.edge_index[1]).any()


@pytest.mark.parametrize(("n", "k"), [(40, None), (150, None), (30, 1), (12, 11)])
def test_neighbours_that_are_known_change_nothing(n: int, k: int | None) -> None:
    lattice = torch.cartesian_prod(torch.arange(10.0), torch.arange(15.0)).double()[:n]
    for pos in (torch.rand(n, 2, dtype=torch.float64), lattice):
        known = stress_neighbors(pos, k)
        for build in (random_walk_target, multiscale_stress_target):
            for one, other in zip(build(pos, k), build(pos, k, known), strict=True):
                assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))


def test_targets_do_not_change_under_similarities() -> None:
    pos = torch.rand(80, 2, dtype=torch.float64)
    moved = 40 * pos @ torch.tensor([[0.0, -1.0], [-1.0, 0.0]], dtype=torch.float64) - 7
    a, b = random_walk_target(pos), random_walk_target(moved)
    assert torch.equal(a.edge_index, b.edge_index)
    torch.testing.assert_close(a.log_ref, b.log_ref)
    c, d = multiscale_stress_target(pos), multiscale_stress_target(moved)
    assert torch.equal(c.edge_index, d.edge_index)
    torch.testing.assert_close(c.distance, d.distance)


def test_stress_edges_hold_neighbors_and_landmarks_once() -> None:
    pos = torch.rand(120, 2, dtype=torch.float64)
    target = multiscale_stress_target(pos)
    source, end = target.edge_index
    assert (source < end).all()
    assert target.edge_index.unique(dim=1).size(1) == target.edge_index.size(1)
    torch.testing.assert_close(target.distance, pairwise_distance(gauge_fix(pos))[source, end])
    have = set(zip(source.tolist(), end.tolist(), strict=True))
    for i, row in enumerate(nearest_neighbors(pos, 20).index.tolist()):
        assert all((min(i, j), max(i, j)) in have for j in row)
    degree = torch.bincount(target.edge_index.reshape(-1), minlength=120)
    assert (degree == 119).sum() >= landmark_count(120)


def test_gate_target_renormalises_over_candidates() -> None:
    pos = torch.rand(40, 2, dtype=torch.float64)
    walk = random_walk_target(pos)
    transition = log_transitions(walk.log_ref, walk.multiplicity, walk.edge_index, 40).exp()
    t = slow_transitions(pos, 20)
    edge_index = torch.stack([torch.arange(40).repeat(40), torch.arange(40).repeat_interleave(40)])
    edge_index = edge_index[:, torch.rand(1600, generator=torch.Generator().manual_seed(0)) < 0.3]
    found = gate_target(edge_index, walk.edge_index, transition, 40)
    for i in range(40):
        mine = edge_index[1] == i
        expected = t[i, edge_index[0, mine]]
        torch.testing.assert_close(found[mine], expected / expected.sum(), atol=1e-12, rtol=0)


def test_gate_target_of_a_node_without_true_candidates_is_zero() -> None:
    walk_edges = torch.tensor([[1, 0], [0, 1]])
    found = gate_target(torch.tensor([[2, 2], [0, 2]]), walk_edges, torch.ones(2), 3)
    assert found.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_transforms_commute_keep_the_dtype_and_leave_no_coordinates(dtype: torch.dtype) -> None:
    data = Data(x=torch.randn(60, 8), pos=torch.rand(60, 2, dtype=dtype))
    one = CandidateGraph(k=15)(GeometricTargets()(data))
    other = GeometricTargets()(CandidateGraph(k=15)(data))
    assert data.pos is not None
    assert sorted(one.keys()) == sorted(other.keys())
    for name in one.keys():  # noqa: SIM118
        assert torch.equal(one[name], other[name])
    assert one.pos is None
    for name in ("rw_log_ref", "rw_multiplicity", "sigma", "stress_distance", "gate_target"):
        assert one[name].dtype == dtype
    assert not any(value.is_floating_point() and value.shape == (60, 2) for value in one.to_dict().values())


def test_transforms_say_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"expected an embedding in data\.x, found none"):
        CandidateGraph()(Data(pos=torch.rand(5, 2)))
    with pytest.raises(ValueError, match="expected float coordinates"):
        GeometricTargets()(Data(x=torch.rand(5, 2)))
    with pytest.raises(ValueError, match="at least 3 nodes, found 2"):
        GeometricTargets()(Data(pos=torch.rand(2, 2)))


def test_transform_without_embedding_keeps_the_number_of_nodes() -> None:
    assert GeometricTargets()(Data(pos=torch.rand(9, 2))).num_nodes == 9


@pytest.mark.parametrize(
    "target",
    [
        random_walk_target,
        multiscale_stress_target,
        lle_target,
        neighborhood_target,
        partial(fuzzy_target, generator=torch.Generator()),
        partial(ring_triplets, generator=torch.Generator()),
    ],
)
def test_what_is_no_tensor_is_named(target: Any) -> None:
    pos = torch.rand(9, 2).numpy()
    function = target.func if isinstance(target, partial) else target
    options = target.keywords if isinstance(target, partial) else {}
    with pytest.raises(InputError, match=r"float coordinates of shape \(n, d\) in pos, found ndarray; convert"):
        inspect.unwrap(function)(pos, **options)  # as users call it, without the tests' checks of shapes

from __future__ import annotations

import inspect

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.geometry import nearest_neighbors
from tests.pairwise_distance import pairwise_distance


def oracle(pos: torch.Tensor, k: int) -> list[list[int]]:
    distance = pairwise_distance(pos)
    rows = []
    for i in range(len(pos)):
        others = [j for j in range(len(pos)) if j != i]
        rows.append(sorted(others, key=lambda j: (round(float(distance[i, j]), 9), j))[:k])
    return rows


def test_neighbors_of_random_points() -> None:
    pos = torch.rand(80, 2, dtype=torch.float64)
    found = nearest_neighbors(pos, 15)
    assert found.index.tolist() == oracle(pos, 15)
    torch.testing.assert_close(found.distance, pairwise_distance(pos).gather(1, found.index))


def test_ties_of_a_lattice_go_to_the_lower_index_in_any_pose() -> None:
    lattice = torch.cartesian_prod(torch.arange(9.0), torch.arange(8.0)).double()
    angle = torch.tensor(0.7, dtype=torch.float64)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    expected = oracle(lattice, 11)
    assert nearest_neighbors(lattice, 11).index.tolist() == expected
    assert nearest_neighbors(lattice @ turn * 3.7 + 5, 11).index.tolist() == expected


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1.0, 1e6, 1e12])
def test_the_unit_of_the_coordinates_decides_nothing(unit: float) -> None:
    pos = torch.rand(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    pos[7] = pos[50]
    expected = nearest_neighbors(pos, 9)
    found = nearest_neighbors(pos * unit, 9)
    assert found.index.tolist() == expected.index.tolist() == oracle(pos, 9)
    torch.testing.assert_close(found.distance, expected.distance * unit, rtol=1e-12, atol=0.0)


def test_coinciding_points_and_small_sets() -> None:
    assert nearest_neighbors(torch.zeros(50, 2), 4).index.tolist() == oracle(torch.zeros(50, 2), 4)
    assert nearest_neighbors(torch.rand(3, 2), 10).index.shape == (3, 2)
    assert nearest_neighbors(torch.rand(1, 2), 10).index.shape == (1, 0)


def test_neighbors_on_the_whole_slide_come_first() -> None:
    """Of a miniset's own kNN, the whole slide's kNN that fell in is the beginning."""
    slide = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0)).double()
    whole = nearest_neighbors(slide, 57).index
    member = torch.randperm(400, generator=torch.Generator().manual_seed(1))[:120].sort().values
    own = nearest_neighbors(slide[member], 57).index
    for row, node in enumerate(member.tolist()):
        fell_in = [j for j in whole[node].tolist() if j in set(member.tolist())]
        assert member[own[row, : len(fell_in)]].tolist() == fell_in


def test_what_are_no_float_coordinates_is_refused() -> None:
    """Distances of whole numbers would be cut to whole numbers."""
    with pytest.raises(InputError, match=r"in pos, found a torch\.int64 tensor of shape \(4, 2\); convert them first"):
        inspect.unwrap(nearest_neighbors)(torch.arange(8).view(4, 2), 2)


def test_a_cluster_far_away_does_not_blur_the_order() -> None:
    near = torch.rand(30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = nearest_neighbors(torch.cat([near, near + 1e6]), 20)
    alone = nearest_neighbors(near, 20)
    assert torch.equal(found.index[:30], alone.index)
    assert torch.equal(found.distance[:30], alone.distance)

from __future__ import annotations

import pytest
import torch

from pyg_gears.graphs import knn, smallest
from pyg_gears.graphs.smallest import some_smallest


@pytest.mark.parametrize("ties", [False, True])
def test_groups_of_columns_find_the_same_as_a_whole_sort(ties: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(1003, 3, generator=generator)  # 111 groups of 9 columns, and 4 columns beside them
    x = (2 * x).round() if ties else x
    found = knn(x, 5, metric="euclidean")
    monkeypatch.setattr(smallest, "LEAST_WIDTH", 10_000)
    whole = knn(x, 5, metric="euclidean")
    assert torch.equal(found.index, whole.index)
    assert torch.equal(found.distance, whole.distance)


def test_a_group_that_holds_all_neighbours_and_columns_beside_the_groups() -> None:
    # Neighbours of one row in one group (columns a multiple of the number of groups apart), and in the last columns.
    distance = torch.rand(2, 1003, generator=torch.Generator().manual_seed(0)) + 1
    width = int((1003 / 10) ** 0.5)
    groups = 1003 // width
    distance[0, torch.arange(5) * groups + 3] = torch.arange(5) / 10
    distance[1, 999:1003] = 0.5
    value, column = some_smallest(distance, 5)
    assert column[0].tolist() == [3, 3 + groups, 3 + 2 * groups, 3 + 3 * groups, 3 + 4 * groups]
    assert sorted(column[1, :4].tolist()) == [999, 1000, 1001, 1002]
    assert torch.equal(value, distance.topk(5, largest=False).values)

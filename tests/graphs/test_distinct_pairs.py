from __future__ import annotations

import pytest
import torch

from pyg_gears.graphs.distinct_pairs import CELLS_PER_PAIR, distinct_pairs


@pytest.mark.parametrize("nodes", [7, 400], ids=["table", "sorted"])
def test_they_are_those_of_unique(nodes: int) -> None:
    key = torch.randint(0, nodes**2, (90,), generator=torch.Generator().manual_seed(0))
    key = torch.cat([key, key[:30]])
    assert (nodes**2 > CELLS_PER_PAIR * key.numel()) == (nodes == 400)
    found = distinct_pairs(key, nodes)
    expected = key.unique(return_counts=True)
    assert torch.equal(found.key, expected[0])
    assert torch.equal(found.times, expected[1])


def test_no_pair() -> None:
    found = distinct_pairs(torch.empty(0, dtype=torch.long), 3)
    assert found.key.numel() == found.times.numel() == 0

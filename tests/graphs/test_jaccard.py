from __future__ import annotations

import sys

import pytest
import torch

from pyg_gears.graphs import jaccard, knn

module = sys.modules["pyg_gears.graphs.jaccard"]  # the function of the same name hides it as an attribute


def test_equals_the_definition_in_every_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    index = knn(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), 8).index
    sets = [set(row.tolist()) for row in index]
    expected = torch.tensor(
        [[len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for j in row.tolist()] for i, row in enumerate(index)]
    )
    torch.testing.assert_close(jaccard(index), expected)
    monkeypatch.setattr(module, "CHUNK", 7)
    torch.testing.assert_close(jaccard(index), expected)


def test_no_rows_and_no_neighbours() -> None:
    assert jaccard(torch.empty(0, 3, dtype=torch.long)).shape == (0, 3)
    assert jaccard(torch.empty(4, 0, dtype=torch.long)).shape == (4, 0)

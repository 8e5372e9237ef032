from __future__ import annotations

import sys
from typing import Any

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


@pytest.mark.parametrize(("n", "k"), [(300_000, 3), (3000, 300)])
def test_memory_is_bounded_for_many_rows_and_for_many_neighbours(n: int, k: int, tensor_memory: Any) -> None:
    index = (torch.arange(n)[:, None] + torch.arange(1, k + 1)) % n
    with tensor_memory:
        found = jaccard(index)
    assert tensor_memory.largest <= max(2**25, n * k * 8)
    assert found[5, 0] == pytest.approx((k - 1) / (k + 1))


def test_no_pass_over_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work grows with n, not with n^2: the n-wide mask is made once, not per chunk."""
    made = []
    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", lambda *size, **options: (made.append(size), zeros(*size, **options))[1])
    monkeypatch.setattr(module, "CHUNK", 10)
    jaccard((torch.arange(500)[:, None] + torch.arange(1, 4)) % 500)
    assert made == [(10, 500)]

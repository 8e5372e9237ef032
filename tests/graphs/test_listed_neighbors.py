from __future__ import annotations

import sys

import pytest
import torch

from pyg_gears.graphs.listed_neighbors import listed_neighbors

module = sys.modules["pyg_gears.graphs.listed_neighbors"]


def rows(n=3000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=generator) @ torch.randn(3, 12, generator=generator)


def slow_neighbors(x, k):
    square = (x[:, None].double() - x[None].double()).square().sum(-1)
    square.fill_diagonal_(torch.inf)
    value, column = square.sort(dim=1, stable=True)
    return column[:, :k], value[:, :k]


def test_all_lists_find_all_neighbours_with_their_distances():
    pytest.importorskip("faiss")
    x = rows(600)
    x[300:320] = x[:20]  # true ties
    index, square = listed_neighbors(x, 9)  # fewer lists than are looked through
    slow = slow_neighbors(x, 9)
    assert torch.allclose(square.double(), slow[1], rtol=1e-4, atol=1e-9)
    agree = (index == slow[0]).float().mean()
    assert agree > 0.999
    assert (square[:20, 0] == 0).all()
    assert index[:20, 0].tolist() == list(range(300, 320))


def test_rows_come_in_chunks_with_the_same_result(monkeypatch):
    pytest.importorskip("faiss")
    x = rows(900)
    whole = listed_neighbors(x, 6)
    monkeypatch.setattr(module, "VALUES", 2000)
    parts = listed_neighbors(x, 6)
    assert torch.equal(whole[0], parts[0])
    assert torch.equal(whole[1], parts[1])


def test_few_lists_find_most_and_never_the_row_itself(monkeypatch):
    pytest.importorskip("faiss")
    x = rows()
    monkeypatch.setattr(module, "PROBES", 8)
    monkeypatch.setattr(module, "EVERY_CHANNEL", 0)
    index, square = listed_neighbors(x, 10)
    slow = slow_neighbors(x, 10)[0]
    recall = (index[:, :, None] == slow[:, None]).any(-1).float().mean()
    assert 0.8 < recall < 1
    assert not (index == torch.arange(len(x))[:, None]).any()
    assert (square.diff(dim=1) >= 0).all()


def test_more_lists_where_a_few_hold_too_few(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(module, "PROBES", 1)
    monkeypatch.setattr(module, "EVERY_CHANNEL", 0)
    index, _ = listed_neighbors(rows(800), 60)  # lists of 40
    assert all(row.unique().numel() == 60 for row in index)

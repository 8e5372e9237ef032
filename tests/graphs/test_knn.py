from __future__ import annotations

import builtins
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_gears.errors import InputError
from pyg_gears.graphs import knn

module = sys.modules["pyg_gears.graphs.knn"]  # the function of the same name hides it as an attribute


def oracle(x: torch.Tensor, k: int, metric: str) -> np.ndarray:
    """All distances in float64, sorted by (distance, index)."""
    a = x.double().numpy()
    if metric == "cosine":
        a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
    distance = np.linalg.norm(a[:, None] - a[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_equals_float64_oracle_and_distances(metric: str) -> None:
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0)) + 5.0
    found = knn(x, 12, metric=metric)
    expected = oracle(x, 12, metric)
    agree = (found.index.numpy() == expected).mean()
    assert agree > 0.999  # float32 may swap two neighbours whose distances agree to seven digits
    a, b = x[:, None], x[found.index]
    if metric == "cosine":
        distance = 1 - torch.cosine_similarity(a.double(), b.double(), dim=-1)
    else:
        distance = (a - b).double().norm(dim=-1)
    torch.testing.assert_close(found.distance.double(), distance, atol=2e-5, rtol=1e-4)
    assert (found.distance.diff(dim=1) >= 0).all()
    assert found.index.dtype == torch.int64
    assert found.distance.dtype == torch.float32


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 40), k=st.integers(1, 45))
def test_lattice_ties_go_to_the_lower_index(seed: int, n: int, k: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 4, (n, 2), generator=generator).float()  # many duplicates and equal distances
    found = knn(x, k, metric="euclidean").index
    assert found.shape == (n, min(k, n - 1))
    np.testing.assert_array_equal(found.numpy(), oracle(x, min(k, n - 1), "euclidean"))
    assert not (found == torch.arange(n)[:, None]).any()


def test_duplicates_tie_exactly() -> None:
    x = torch.randn(9, 33, generator=torch.Generator().manual_seed(1))
    x = x[torch.tensor([0, 1, 0, 2, 1, 0, 3, 0, 1])]
    found = knn(x, 3, metric="cosine")
    assert found.index[0].tolist() == [2, 5, 7]
    assert found.index[7].tolist() == [0, 2, 5]
    assert found.distance[0].unique().numel() == 1


def test_bit_for_bit_and_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(500, 16, generator=torch.Generator().manual_seed(2))
    first, second = knn(x, 20), knn(x.clone(), 20)
    assert torch.equal(first.index, second.index)
    assert torch.equal(first.distance, second.distance)
    monkeypatch.setattr(module, "CHUNK", 64)
    assert torch.equal(knn(x, 20).index, first.index)


def test_far_from_the_origin_and_other_dtypes() -> None:
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    shifted = (x + 1000.0).float()
    assert (knn(shifted, 5, metric="euclidean").index.numpy() == oracle(shifted, 5, "euclidean")).mean() > 0.99
    assert knn(x, 5).distance.dtype == torch.float32


def test_tiny_inputs() -> None:
    assert knn(torch.zeros(1, 3), 4).index.shape == (1, 0)
    assert knn(torch.zeros(0, 3), 4).index.shape == (0, 0)
    assert knn(torch.zeros(3, 3), 4).index.tolist() == [[1, 2], [0, 2], [0, 1]]  # zero rows: cosine distance is a tie


@pytest.mark.parametrize("method", ["exact", "approximate"])
def test_a_zero_row_has_cosine_distance_one_to_all_others(method: str) -> None:
    if method == "approximate":
        pytest.importorskip("faiss")
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(6))
    x[[3, 7]] = 0.0
    found = knn(x, 59, method=method)
    near = torch.zeros(60, 60).scatter_(1, found.index, found.distance)
    others = torch.ones(60, dtype=torch.bool)
    others[[3, 7]] = False
    torch.testing.assert_close(near[3, others], torch.ones(58))
    torch.testing.assert_close(near[others, 7], torch.ones(58))
    assert near[3, 7] == 0


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_approximate_finds_nearly_the_same(metric: str) -> None:
    pytest.importorskip("faiss")
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(3000, 3, generator=generator) @ torch.randn(3, 16, generator=generator)
    exact, near = knn(x, 15, metric=metric), knn(x, 15, metric=metric, method="approximate")
    recall = (exact.index[:, :, None] == near.index[:, None]).any(-1).float().mean()
    assert recall > 0.97
    assert not (near.index == torch.arange(3000)[:, None]).any()
    assert (near.distance.diff(dim=1) >= 0).all()
    assert torch.equal(near.index, knn(x, 15, metric=metric, method="approximate").index)


def test_approximate_fills_rows_that_the_lists_leave_short() -> None:
    pytest.importorskip("faiss")
    x = torch.cat([torch.randn(400, 4, generator=torch.Generator().manual_seed(5)), torch.full((2, 4), 50.0)])
    near = knn(x, 380, metric="euclidean", method="approximate")
    assert torch.isfinite(near.distance).all()
    assert ((near.index >= 0) & (near.index < 402)).all()
    assert all(row.unique().numel() == 380 for row in near.index)


def test_without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_faiss(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "faiss":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_faiss)
    x = torch.randn(30, 3)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[scale\]'"):
        knn(x, 3, method="approximate")
    monkeypatch.setattr(module, "EXACT_LIMIT", 20)
    with pytest.warns(
        UserWarning, match=r"exact neighbours of 30 cells take about 1 min; `pip install 'pyg-gears\[scale\]'`"
    ):
        found = knn(x, 3)
    assert torch.equal(found.index, knn(x, 3, method="exact").index)


def test_the_time_of_a_large_exact_search_is_that_of_its_first_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([100.0, 130.0])  # 30 seconds for 10 of 50 rows: two and a half minutes in all
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(module, "_has_faiss", lambda: False)
    monkeypatch.setattr(module, "EXACT_LIMIT", 20)
    monkeypatch.setattr(module, "CHUNK", 10)
    with pytest.warns(UserWarning, match="exact neighbours of 50 cells take about 2 min") as said:
        knn(torch.randn(50, 3), 3)
    assert len(said) == 1


def test_large_inputs_are_searched_approximately(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(module, "EXACT_LIMIT", 20)
    x = torch.randn(300, 3)
    assert torch.equal(knn(x, 3).index, knn(x, 3, method="approximate").index)


def test_bad_input() -> None:
    x = torch.randn(5, 2)
    with pytest.raises(InputError, match="expected k to be a whole number above 0, found 0"):
        knn(x, 0)
    with pytest.raises(InputError, match="the metric cosine or euclidean, found 'manhattan'"):
        knn(x, 2, metric="manhattan")
    with pytest.raises(InputError, match="the method auto, exact or approximate, found 'fast'"):
        knn(x, 2, method="fast")
    with pytest.raises(InputError, match="a finite embedding"):
        knn(torch.full((3, 2), torch.nan), 1)
    with pytest.raises(InputError, match=r"float embedding x of shape \(n, c\), found ndarray; give every node a row"):
        knn(x.numpy(), 1)


@pytest.mark.parametrize("lattice", [False, True])
def test_one_copy_of_a_chunk_of_distances(lattice: bool, tensor_memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    n, chunk = 3000, 256
    monkeypatch.setattr(module, "CHUNK", chunk)
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    x = (3 * x).round() if lattice else x  # duplicates and ties everywhere
    with tensor_memory:
        knn(x, 5, metric="euclidean")
    small = 40 * n * 8  # input, output and their like
    # The chunk itself, and an eighth of it in its several forms while it is sorted.
    assert tensor_memory.peak < 1.7 * chunk * n * 4 + small
    assert tensor_memory.largest <= chunk * n * 4


def test_chunks_shrink_for_many_rows(tensor_memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    expected = knn(x, 5)
    monkeypatch.setattr(module, "CHUNK_VALUES", 400_000)
    with tensor_memory:
        found = knn(x, 5)
    assert tensor_memory.largest <= 400_000 * 4
    assert torch.equal(found.index, expected.index)

from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.graphs import knn, neighbors_csr, symmetric_csr


def example() -> torch.Tensor:
    return knn(torch.randn(30, 3, generator=torch.Generator().manual_seed(0)), 4).index


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_slow_statement(kind: str) -> None:
    index = example()
    values = torch.rand(index.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    values[0, 0] = 0.0
    expected, ones = np.zeros((2, 30, 30))
    for i, row in enumerate(index.tolist()):
        for a, j in enumerate(row):
            expected[i, j], ones[i, j] = float(values[i, a]), 1.0
    given = (index, values) if kind == "tensor" else (index.numpy(), values.numpy())
    found = neighbors_csr(*given)
    assert np.array_equal(found.toarray(), expected)
    assert found.nnz == 120  # a stored zero stays an entry
    assert found.has_sorted_indices
    assert np.array_equal(neighbors_csr(given[0]).toarray(), ones)
    assert np.array_equal(neighbors_csr(given[0], 0.25).toarray(), ones / 4)
    assert np.array_equal(symmetric_csr(given[0]).toarray(), np.maximum(ones, ones.T))


def test_the_lists_are_not_shared_and_keep_the_dtype() -> None:
    index, values = example().numpy(), np.ones((30, 4), dtype=np.float32)
    before = index.copy()
    graph = neighbors_csr(index, values)
    assert graph.dtype == np.float32
    graph.data[:] = 7
    assert np.array_equal(index, before)
    assert (values == 1).all()


def test_no_neighbours() -> None:
    assert neighbors_csr(torch.empty(3, 0, dtype=torch.long)).shape == (3, 3)
    assert neighbors_csr(torch.empty(0, 2, dtype=torch.long)).shape == (0, 0)

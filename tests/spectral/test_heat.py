from __future__ import annotations

import pytest
import torch
from scipy.linalg import expm

from pyg_gears.errors import InputError
from pyg_gears.spectral import affinity_laplacian, grid_edges, heat


@pytest.mark.parametrize("time", [0.0, 0.3, 5.0, 400.0])
def test_equals_the_dense_exponential(time) -> None:
    generator = torch.Generator().manual_seed(0)
    signal = torch.randn(56, 2, generator=generator)
    laplacian = affinity_laplacian(signal, grid_edges(7, 8), bandwidth=2.0)
    expected = torch.from_numpy(expm(-time * laplacian.toarray())) @ signal.double()
    assert torch.allclose(heat(laplacian, signal, time), expected, atol=1e-9)


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(InputError, match="expected a time of at least 0, found -1"):
        heat(affinity_laplacian(torch.ones(4, 1), grid_edges(2, 2)), torch.ones(4, 1), -1)


def test_a_signal_that_is_learned() -> None:
    signal = torch.randn(56, 2, generator=torch.Generator().manual_seed(0))
    learned = signal.clone().requires_grad_()
    laplacian = affinity_laplacian(learned, grid_edges(7, 8))
    assert (laplacian != affinity_laplacian(signal, grid_edges(7, 8))).nnz == 0
    assert torch.equal(heat(laplacian, learned, 2.0), heat(laplacian, signal, 2.0))

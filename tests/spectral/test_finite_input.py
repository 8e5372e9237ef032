from __future__ import annotations

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.spectral import (
    affinity,
    affinity_laplacian,
    align_bases,
    boundary_mask,
    grid_edges,
    heat,
    lowest_eigenvectors,
    node_functions,
    spectral_moments,
)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_what_is_unknown_is_refused_by_name(bad: float) -> None:
    edges, signal = grid_edges(4, 5), torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    laplacian = affinity_laplacian(signal, edges)
    broken, wrong, contour = signal.clone(), laplacian.copy(), torch.zeros(20, dtype=torch.bool)
    broken[3, 1], wrong.data[2] = bad, bad
    for name, call in (
        ("signal", lambda: boundary_mask(broken, edges)),
        ("signal", lambda: heat(laplacian, broken, 1.0)),
        ("laplacian", lambda: heat(wrong, signal, 1.0)),
        ("signal", lambda: node_functions(broken, contour, laplacian)),
        ("pos", lambda: node_functions(signal, contour, laplacian, broken)),
        ("source", lambda: align_bases(broken, signal)),
        ("target", lambda: align_bases(signal, broken)),
        ("laplacian", lambda: lowest_eigenvectors(wrong, 3)),
    ):
        with pytest.raises(InputError, match=f"expected finite values in {name}, found NaN or infinity"):
            call()
    with pytest.raises(InputError, match=f"expected a time of at least 0, found {bad:g}; give a number"):
        heat(laplacian, signal, bad)
    with pytest.raises(InputError, match=f"expected a positive bandwidth, found {bad:g}; give it the unit"):
        affinity(signal, edges, bandwidth=bad)


def test_moments_of_a_basis_in_float32() -> None:
    basis = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    functions = torch.randn(20, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(spectral_moments(basis, functions), spectral_moments(basis.double(), functions))

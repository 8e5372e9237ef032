from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.encoders import expression_view
from pyg_gears.errors import InputError

X = torch.log1p(torch.rand(400, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 20)


def view(**changes: float) -> torch.Tensor:
    options = {"dropout": 0.0, "jitter": 0.0, "noise": 0.0, **changes}
    return expression_view(X, **options, generator=torch.Generator().manual_seed(1))


def test_without_noise_nothing_happens() -> None:
    torch.testing.assert_close(view(), X)


def test_lost_genes_are_zero_and_the_others_as_they_were() -> None:
    found = view(dropout=0.3)
    lost = found == 0
    assert float(lost.double().mean()) == pytest.approx(0.3, abs=0.02)
    torch.testing.assert_close(found[~lost], X[~lost])


def test_depth_varies_by_cell_on_the_scale_of_counts() -> None:
    found, counts = view(jitter=0.2), np.expm1(X.numpy())
    factor = np.expm1(found.numpy()) / counts
    np.testing.assert_allclose(factor, np.repeat(factor[:, :1], 50, axis=1), rtol=1e-9)
    assert 0.8 <= factor.min() < 0.83
    assert 1.17 < factor.max() <= 1.2


def test_noise_is_on_the_logarithm_and_clamped() -> None:
    assert float((view(noise=0.1) - X).std()) == pytest.approx(0.1, rel=0.05)
    assert float(view(noise=100.0).abs().max()) == 10.0


@pytest.mark.parametrize("wrong", [{"dropout": 1.5}, {"jitter": -0.1}, {"noise": -1.0}])
def test_numbers_out_of_range_are_refused(wrong) -> None:
    with pytest.raises(InputError, match=rf"expected {next(iter(wrong))} of a view in \[0, (1|inf)\], found"):
        view(**wrong)

from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.errors import InputError
from pyg_gears.metrics.confidence import confidence_agreement, local_error


def _layouts(n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(n, 2))
    spread = np.where(truth[:, 0] > 0, 0.6, 0.02)
    return truth + spread[:, None] * generator.normal(size=(n, 2)), truth, spread


def test_local_error_slow_statement() -> None:
    pos, truth, _ = _layouts(60)
    unit = truth - truth.mean(axis=0)
    unit = unit / np.sqrt((unit**2).sum(axis=1).mean())
    d = np.sqrt(((pos[:, None] - pos[None]) ** 2).sum(-1))
    t = np.sqrt(((unit[:, None] - unit[None]) ** 2).sum(-1))
    d *= (d * t).sum() / (d * d).sum()
    expected = []
    for i in range(60):
        near_true, near_pos = np.argsort(t[i])[1:21], np.argsort(d[i])[1:21]
        terms = [(d[i, j] - t[i, j]) ** 2 for j in (*near_true, *near_pos)]
        expected.append(np.sqrt(np.mean(terms)))
    assert np.allclose(local_error(pos, truth), expected, atol=1e-10)


def test_sign_and_size() -> None:
    pos, truth, spread = _layouts()
    sure = confidence_agreement(1 / spread, pos, truth)
    assert sure.local_rho > 0.5
    assert sure.position_rho > 0.5
    assert confidence_agreement(-1 / spread, pos, truth) == pytest.approx([-rho for rho in sure])
    assert confidence_agreement(np.ones(len(pos)), pos, truth) == (0.0, 0.0)


def test_refuses_other_confidences() -> None:
    pos, truth, _ = _layouts()
    with pytest.raises(InputError, match=r"expected one confidence for each of 200 cells, found shape \(7,\); pass"):
        confidence_agreement(np.ones(7), pos, truth)
    some = np.where(np.arange(200) < 3, np.nan, 1.0)
    with pytest.raises(
        InputError, match="one finite confidence for each of 200 cells, found 3 with NaN or infinity; drop"
    ):
        confidence_agreement(some, pos, truth)


def test_refuses_no_neighbour() -> None:
    pos = np.random.default_rng(0).random((9, 2))
    with pytest.raises(InputError, match="expected k to be a whole number above 0, found 0; give one"):
        local_error(pos, pos, k=0)

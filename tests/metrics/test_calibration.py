from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.errors import InputError
from pyg_gears.metrics.calibration import calibration_curve, calibration_error, local_rmse
from pyg_gears.metrics.layout_pair import layout_pair


def _layouts(n: int = 130, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(n, 2))
    return truth + noise * generator.normal(size=(n, 2)), truth


def _distances(x: np.ndarray) -> np.ndarray:
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))


def _scaled(pos: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    d, t = _distances(pos), _distances(truth)
    return d * (d * t).sum() / (d * d).sum(), t


def test_calibration_slow_statement() -> None:
    pos, truth = _layouts()
    d, t = _scaled(pos, truth)
    upper = np.triu_indices(len(pos), 1)
    pairs = sorted(zip(d[upper], t[upper], strict=True))
    m = len(pairs)
    gap = 0.0
    for b in range(20):
        part = pairs[int(b * m / 20) : int((b + 1) * m / 20)]
        gap += len(part) / m * abs(np.mean([p for p, _ in part]) - np.mean([q for _, q in part]))
    assert calibration_error(pos, truth) == pytest.approx(gap / np.mean(t[upper]), abs=1e-10)


def test_curve_holds_every_pair_once() -> None:
    pos, truth = _layouts()
    curve = calibration_curve(layout_pair(pos, truth), seed=0)
    assert curve.pairs.sum() == 130 * 129 // 2
    assert np.ptp(curve.pairs) <= 1
    assert (np.diff(curve.predicted) > 0).all()


def test_local_rmse_slow_statement() -> None:
    pos, truth = _layouts()
    d, t = _scaled(pos, truth)
    found = local_rmse(pos, truth)
    assert list(found) == [10, 20, 50, 100]
    for k, value in found.items():
        error = total = 0.0
        for i in range(len(pos)):
            for j in np.argsort(t[i])[1 : k + 1]:
                error += (d[i, j] - t[i, j]) ** 2
                total += t[i, j] ** 2
        assert value == pytest.approx(np.sqrt(error / total), abs=1e-10)


def test_contracted_layout_pays_at_its_scale() -> None:
    _, truth = _layouts(400)
    contracted = truth / np.sqrt(1 + np.square(truth).sum(axis=1, keepdims=True))
    found = local_rmse(contracted, truth)
    assert 0.1 < found[100] < 1
    assert calibration_error(contracted, truth) > 0.02


def test_few_cells_use_all_neighbours() -> None:
    pos, truth = _layouts(12)
    found = local_rmse(pos, truth)
    assert found[20] == found[50] == found[100]


def test_refuses_other_scales() -> None:
    pos = np.random.default_rng(0).random((9, 2))
    with pytest.raises(InputError, match="expected at least one neighbourhood size, found none; pass scales"):
        local_rmse(pos, pos, scales=())
    with pytest.raises(InputError, match="expected scale to be a whole number above 0, found 0; give one"):
        local_rmse(pos, pos, scales=(5, 0))

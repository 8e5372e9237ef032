from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.metrics import energy
from pyg_gears.metrics.energy import energy_agreement


def _layouts(n: int = 70) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.random((n, 2))
    return truth + 0.1 * generator.normal(size=(n, 2)), truth


def _gauge(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=0)
    return x / np.sqrt((x**2).sum(axis=1).mean())


def test_random_walk_slow_statement() -> None:
    pos, truth = _layouts()
    n, k = 70, 20
    x, y = _gauge(pos), _gauge(truth)
    square_x = ((x[:, None] - x[None]) ** 2).sum(-1)
    square_y = ((y[:, None] - y[None]) ** 2).sum(-1)
    near = np.argsort(square_y, axis=1)[:, 1 : k + 1]
    sigma = np.sqrt(square_y[np.arange(n), near[:, -1]])
    mask = np.zeros((n, n))
    np.put_along_axis(mask, near, 1.0, axis=1)

    def walk(square: np.ndarray) -> np.ndarray:
        w = mask * np.exp(-square / (sigma[:, None] * sigma[None, :] + 1e-8))
        w = (w + w.T) / 2
        return w / w.sum(axis=1, keepdims=True)

    p, q = walk(square_y), walk(square_x)
    loss = 0.0
    for step in range(1, 4):
        a, b = np.linalg.matrix_power(p, step), np.linalg.matrix_power(q, step)
        loss += 0.5 ** (step - 1) * np.sum(a * np.log((a + 1e-8) / (b + 1e-8))) / n
    found = energy_agreement(pos, truth)
    assert found.l_rw == pytest.approx(loss, abs=1e-9)
    assert found.e_geo == pytest.approx(found.l_rw + 0.1 * found.l_stress, abs=1e-12)


@pytest.fixture
def small_minisets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "MAX_WHOLE", 200)
    monkeypatch.setattr(energy, "MINISET_SIZE", 64)


@pytest.mark.usefixtures("small_minisets")
def test_truth_costs_nothing_whole_and_in_minisets() -> None:
    for n in (70, 400):
        _, truth = _layouts(n)
        moved = -7 * truth[:, ::-1] + 3
        assert max(energy_agreement(moved, truth)) < 1e-8


@pytest.mark.usefixtures("small_minisets")
def test_minisets_are_fixed_by_the_seed() -> None:
    pos, truth = _layouts(400)
    found = energy_agreement(pos, truth, seed=1)
    assert found == energy_agreement(pos, truth, seed=1)
    assert found.e_geo != energy_agreement(pos, truth, seed=2).e_geo
    assert found.e_geo > 0.1

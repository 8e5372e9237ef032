from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from pyg_gears.metrics import neighborhoods
from pyg_gears.metrics.neighborhoods import neighborhood_agreement


def _layouts(n: int = 150, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.random((n, 2))
    return truth + noise * generator.normal(size=(n, 2)), truth


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn(seed: int) -> None:
    pos, truth = _layouts(seed=seed)
    found = neighborhood_agreement(pos, truth)
    assert found.trust == pytest.approx(trustworthiness(truth, pos, n_neighbors=20), abs=1e-12)
    assert found.cont == pytest.approx(trustworthiness(pos, truth, n_neighbors=20), abs=1e-12)


def test_slow_statement() -> None:
    pos, truth = _layouts(60)
    n, k = 60, 20

    def order(x: np.ndarray, i: int) -> list[int]:
        return sorted((j for j in range(n) if j != i), key=lambda j: float(((x[i] - x[j]) ** 2).sum()))

    false = found = 0
    for i in range(n):
        by_truth, by_pos = order(truth, i), order(pos, i)
        false += sum(by_truth.index(j) + 1 - k for j in by_pos[:k] if j not in by_truth[:k])
        found += len(set(by_truth[:15]) & set(by_pos[:15]))
    result = neighborhood_agreement(pos, truth)
    assert result.trust == pytest.approx(1 - 2 * false / (n * k * (2 * n - 3 * k - 1)), abs=1e-12)
    assert result.recall == pytest.approx(found / (n * 15), abs=1e-12)


def test_lattice_seen_from_another_side_is_perfect() -> None:
    x, y = np.meshgrid(np.arange(12.0), np.arange(12.0))
    lattice = np.stack([x.ravel(), y.ravel()], axis=1)
    turned = lattice @ np.array([[0.6, 0.8], [0.8, -0.6]]) * 3
    assert neighborhood_agreement(turned, lattice) == (1.0, 1.0, 1.0)


def test_piles_are_not_rewarded() -> None:
    truth = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2)
    found = neighborhood_agreement(np.zeros_like(truth), truth)
    assert found.trust == pytest.approx(0.5, abs=0.1)
    assert found.cont == pytest.approx(0.5, abs=0.1)
    assert found.recall < 0.15


def test_random_layout_is_near_chance() -> None:
    generator = np.random.default_rng(3)
    found = neighborhood_agreement(generator.random((500, 2)), generator.random((500, 2)))
    assert found.trust == pytest.approx(0.5, abs=0.03)
    assert found.cont == pytest.approx(0.5, abs=0.03)
    assert found.recall == pytest.approx(15 / 499, abs=0.02)


def test_chunks_and_row_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    pos, truth = _layouts(400)
    whole = neighborhood_agreement(pos, truth)
    monkeypatch.setattr(neighborhoods, "CHUNK_VALUES", 3000)
    assert neighborhood_agreement(pos, truth) == pytest.approx(whole)
    monkeypatch.setattr(neighborhoods, "MAX_FULL", 100)
    monkeypatch.setattr(neighborhoods, "QUERY_ROWS", 200)
    sample = neighborhood_agreement(pos, truth)
    assert sample != whole
    assert sample == pytest.approx(whole, abs=0.03)
    assert neighborhood_agreement(pos, truth) == sample


def test_few_cells() -> None:
    pos, truth = _layouts(6, noise=0.0)
    assert neighborhood_agreement(pos, truth) == (1.0, 1.0, 1.0)

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes
from scipy.stats import wasserstein_distance

from pyg_gears.metrics.pose import align, pose_agreement


def _layouts(n: int = 80, noise: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(n, 2)) * [2.0, 1.0]
    return truth @ np.diag([1.0, -1.0]) + noise * generator.normal(size=(n, 2)), truth


def _unit(x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=0)
    return x / np.sqrt((x**2).sum(axis=1).mean())


def test_disparity_equals_scipy() -> None:
    pos, truth = _layouts()
    assert pose_agreement(pos, truth).procrustes == pytest.approx(procrustes(truth, pos)[2], abs=1e-12)


def test_swd_slow_statement() -> None:
    pos, truth = _layouts()
    x, y = _unit(pos), _unit(truth)
    u, _, vt = np.linalg.svd(x.T @ y)
    x = x @ u @ vt
    square = []
    for step in range(64):
        direction = np.array([np.cos(step * np.pi / 64), np.sin(step * np.pi / 64)])
        a, b = sorted(x @ direction), sorted(y @ direction)
        square.append(np.mean([(p - q) ** 2 for p, q in zip(a, b, strict=True)]))
    assert pose_agreement(pos, truth).swd == pytest.approx(np.sqrt(np.mean(square)), abs=1e-10)


def test_spacing_slow_statement() -> None:
    pos, truth = _layouts()

    def distances(x: np.ndarray) -> np.ndarray:
        square = ((x[:, None] - x[None]) ** 2).sum(-1)
        return np.sqrt(np.sort(square, axis=1)[:, 1:21]).ravel()

    expected = wasserstein_distance(distances(_unit(pos)), distances(_unit(truth)))
    assert pose_agreement(pos, truth).w1_knn == pytest.approx(expected, abs=1e-12)


def test_permuted_cells_keep_shape_and_spacing() -> None:
    _, truth = _layouts(400)
    shuffled = np.random.default_rng(1).permutation(truth)
    found = pose_agreement(shuffled, truth)
    assert found.procrustes > 0.9
    assert found.w1_knn == pytest.approx(0.0, abs=1e-12)


def test_align_undoes_a_similarity() -> None:
    _, truth = _layouts()
    moved = 5 * truth @ np.array([[0.6, 0.8], [0.8, -0.6]]) + 100
    aligned, true = align(moved, truth)
    assert np.allclose(aligned, true, atol=1e-10)
    assert np.allclose(true, _unit(truth), atol=1e-12)


def test_collapsed_layout() -> None:
    _, truth = _layouts()
    found = pose_agreement(np.zeros_like(truth), truth)
    assert found.procrustes == pytest.approx(1.0)
    assert found.swd == pytest.approx(np.sqrt(0.5), abs=1e-10)

from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.metrics.collapse import collapse_statistics


def test_slow_statement() -> None:
    pos = np.random.default_rng(0).normal(size=(60, 2)) * [3.0, 1.0]
    x = pos - pos.mean(axis=0)
    x = x / np.sqrt((x**2).sum(axis=1).mean())
    values = sorted(np.linalg.eigvalsh(np.cov(x.T)))
    distance = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    nearest = np.sort(distance, axis=1)[:, 1]
    found = collapse_statistics(pos)
    assert found.eigenvalue_ratio == pytest.approx(values[0] / values[1], abs=1e-12)
    assert found.median_distance == pytest.approx(np.median(distance[np.triu_indices(60, 1)]), abs=1e-12)
    assert found.nn_p5 == pytest.approx(np.percentile(nearest, 5), abs=1e-12)
    assert found.nn_cv == pytest.approx(nearest.std() / nearest.mean(), abs=1e-12)


def test_known_shapes() -> None:
    generator = np.random.default_rng(0)
    disc = collapse_statistics(generator.normal(size=(2500, 2)))
    assert disc.eigenvalue_ratio > 0.9
    assert disc.median_distance == pytest.approx(1.2, abs=0.1)
    line = np.stack([np.linspace(0, 1, 50), np.linspace(0, 1, 50)], axis=1)
    assert collapse_statistics(line).eigenvalue_ratio < 1e-10
    assert collapse_statistics(line).nn_cv == pytest.approx(0.0, abs=1e-9)
    assert collapse_statistics(np.ones((50, 2))) == (0.0, 0.0, 0.0, 0.0)
    outlier = np.concatenate([np.zeros((99, 2)), [[1.0, 0.0]]])
    assert collapse_statistics(outlier).median_distance < 0.01

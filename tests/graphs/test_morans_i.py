from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.graphs import morans_i


def test_slow_statement_on_a_directed_weighted_graph() -> None:
    generator = np.random.default_rng(0)
    weight = generator.random((12, 12)) * (generator.random((12, 12)) < 0.3)
    values = generator.normal(size=(12, 3)) + 5
    found = morans_i(values, csr_array(weight))
    for column in range(3):
        z = values[:, column] - values[:, column].mean()
        cross = sum(weight[i, j] * z[i] * z[j] for i in range(12) for j in range(12))
        assert found[column] == pytest.approx(12 / weight.sum() * cross / (z**2).sum(), abs=1e-12)
        assert morans_i(values[:, column], csr_array(weight)) == pytest.approx(found[column], abs=1e-12)


def test_alternating_smooth_and_undefined() -> None:
    ring = np.roll(np.eye(40), 1, axis=1)
    graph = csr_array(ring + ring.T)
    assert morans_i(np.tile([1.0, -1.0], 20), graph) == pytest.approx(-1.0)
    assert morans_i(np.cos(np.arange(40) * 2 * np.pi / 40), graph) > 0.98
    assert np.isnan(morans_i(np.full(40, 0.1), graph))
    assert np.isnan(morans_i(np.arange(40.0), csr_array((40, 40))))

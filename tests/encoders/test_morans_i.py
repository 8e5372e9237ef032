from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.encoders.components import neighbor_graph
from pyg_gears.encoders.morans_i import morans_i


def test_it_is_the_formula() -> None:
    generator = np.random.default_rng(0)
    graph, values = neighbor_graph(generator.uniform(size=(30, 2))), generator.normal(size=(30, 3))
    dense, z = graph.toarray() * 2.5, values - values.mean(axis=0)
    expected = [
        30
        / dense.sum()
        * sum(dense[i, j] * z[i, c] * z[j, c] for i in range(30) for j in range(30))
        / (z[:, c] ** 2).sum()
        for c in range(3)
    ]
    np.testing.assert_allclose(morans_i(values, graph * 2.5), expected, rtol=1e-10)


def test_smooth_noise_and_constant_values() -> None:
    generator = np.random.default_rng(1)
    pos = generator.uniform(size=(400, 2))
    found = morans_i(np.stack([pos[:, 0], generator.normal(size=400), np.ones(400)], axis=1), neighbor_graph(pos))
    assert found[0] > 0.9
    assert found[1] == pytest.approx(0, abs=0.1)
    assert np.isnan(found[2])

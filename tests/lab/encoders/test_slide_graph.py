from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.data import simulate_tissue
from pyg_gears.graphs import morans_i
from pyg_gears.lab.encoders.slide_graph import NEIGHBORS, slide_graph


def test_it_is_the_double_sum_over_the_nearest_spots() -> None:
    slide = simulate_tissue("layers", slides=1, cells=10, seed=0, spots=60).slides[0]
    values = np.random.default_rng(0).normal(size=(60, 3)) + slide.pos[:, :1] / slide.pos.std()
    values[:, 2] = 4.0
    graph = slide_graph(slide)
    found = morans_i(values, graph)
    z = values - values.mean(axis=0)
    far = np.linalg.norm(slide.pos[:, None] - slide.pos[None], axis=-1)
    for column in range(2):
        cross = 0.0
        for i in range(60):
            near = [j for j in np.argsort(far[i], kind="stable") if j != i][:NEIGHBORS]
            assert far[i][graph[[i]].indices].max() == pytest.approx(far[i][near].max())
            cross += sum(z[i, column] * z[j, column] for j in graph[[i]].indices)
        assert found[column] == pytest.approx(60 / (60 * NEIGHBORS) * cross / np.square(z[:, column]).sum())
    assert np.isnan(found[2])
    assert morans_i(values[:, 0], graph) == pytest.approx(found[0])

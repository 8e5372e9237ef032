from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.baselines.spectral_layout import spectral_layout
from pyg_gears.metrics import distance_agreement


def test_equals_the_dense_eigenproblem() -> None:
    x = np.random.default_rng(0).random((80, 2)) * [2.0, 1.0]
    n = 80
    square = ((x[:, None] - x[None]) ** 2).sum(-1)
    adjacency = np.zeros((n, n))
    np.put_along_axis(adjacency, np.argsort(square, axis=1)[:, 1:16], 1.0, axis=1)
    adjacency = np.maximum(adjacency, adjacency.T)
    adjacency += 1e-4 * adjacency.sum() / n / n
    walk = adjacency / adjacency.sum(axis=1, keepdims=True)
    value, vector = np.linalg.eig(walk)
    order = np.argsort(-value.real)[1:3]
    # Eigenvectors of the walk, normalised so that those of its symmetric form have length one.
    axes = vector.real[:, order] / np.linalg.norm(
        vector.real[:, order] * np.sqrt(adjacency.sum(axis=1))[:, None], axis=0
    )
    expected = axes / np.sqrt(1 - value.real[order])
    assert distance_agreement(spectral_layout(x), expected).stress_1 < 1e-4


def test_pieces_have_a_layout_and_repeat_exactly() -> None:
    x = np.concatenate([np.random.default_rng(i).normal(size=(40, 3)) + 1000 * i for i in range(3)])
    layout = spectral_layout(x)
    assert np.isfinite(layout).all()
    assert np.array_equal(layout, spectral_layout(x))
    centre = layout.reshape(3, 40, 2).mean(axis=1)
    spread = layout.reshape(3, 40, 2).std(axis=1).max()
    assert min(np.linalg.norm(centre[i] - centre[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > 5 * spread


def test_a_sheet_unrolls() -> None:
    plane = np.random.default_rng(0).random((400, 2))
    sheet = np.concatenate([plane, np.sin(3 * plane)], axis=1)
    assert distance_agreement(spectral_layout(sheet), plane).spearman == pytest.approx(0.95, abs=0.05)

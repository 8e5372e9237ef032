from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from pyg_gears.metrics.distances import pair_distances
from pyg_gears.metrics.edges import edge_agreement, roc_curve
from pyg_gears.metrics.layout_pair import layout_pair


def _layouts(n: int = 120, noise: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    truth = generator.normal(size=(n, 2))
    return truth + noise * generator.normal(size=(n, 2)), truth


def _slow_radius(truth: np.ndarray, k: int) -> float:
    distance = np.sqrt(((truth[:, None] - truth[None]) ** 2).sum(-1))
    return float(np.median(np.sort(distance, axis=1)[:, k]))


def test_slow_statement() -> None:
    pos, truth = _layouts()
    pair = layout_pair(pos, truth)
    distances = pair_distances(pair, seed=0)
    positive = distances.true < _slow_radius(pair.truth, 20) * (1 - 1e-4)
    found = edge_agreement(pos, truth)
    assert found.auc == pytest.approx(roc_auc_score(positive, -distances.predicted), abs=1e-12)
    weight = np.where(positive, 1 / positive.sum(), 1 / (~positive).sum())
    assert found.bap == pytest.approx(
        average_precision_score(positive, -distances.predicted, sample_weight=weight), abs=1e-10
    )
    # The area is the share of (positive, negative) pairs in the right order, ties half.
    inside, outside = distances.predicted[positive], distances.predicted[~positive]
    share = np.mean(inside[:, None] < outside[None, ::7]) + 0.5 * np.mean(inside[:, None] == outside[None, ::7])
    assert found.auc == pytest.approx(share, abs=0.01)


def test_shell_f1_is_the_macro_mean_over_six_shells() -> None:
    pos, truth = _layouts()
    pair = layout_pair(pos, truth)
    distances = pair_distances(pair, seed=0)
    bounds = [_slow_radius(pair.truth, k) * (1 + 1e-4) for k in (5, 10, 20, 50, 100)]

    def shell(values: np.ndarray) -> list[int]:
        return [sum(value >= bound for bound in bounds) for value in values]

    expected = f1_score(shell(distances.true), shell(distances.predicted), average="macro")
    assert edge_agreement(pos, truth).shell_f1 == pytest.approx(expected, abs=1e-12)


def test_random_layout_is_near_chance() -> None:
    generator = np.random.default_rng(2)
    truth, pos = generator.random((400, 2)), generator.random((400, 2))
    found = edge_agreement(pos, truth)
    assert found.auc == pytest.approx(0.5, abs=0.03)
    assert found.bap == pytest.approx(0.5, abs=0.03)
    assert found.shell_f1 < 0.25


def test_ties_count_half() -> None:
    truth = _layouts()[1]
    pair = layout_pair(np.zeros_like(truth), truth)
    curve = roc_curve(pair, pair_distances(pair, seed=0))
    assert curve.true_positive.tolist() == [0.0, 1.0]
    found = edge_agreement(np.zeros_like(truth), truth)
    assert (found.auc, found.bap) == (0.5, 0.5)


def test_undefined_where_no_pair_is_close() -> None:
    angle = np.arange(6) * 2 * np.pi / 6
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # k = 2 of 6 cells: on a regular hexagon no pair is closer than the second neighbour.
    found = edge_agreement(ring, ring)
    assert np.isnan(found.auc)
    assert np.isnan(found.bap)
    assert found.shell_f1 == 1.0

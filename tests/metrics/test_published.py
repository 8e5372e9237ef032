from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from pyg_gears.metrics import BETTER, PUBLISHED_BETTER, distance_agreement, published_scores
from pyg_gears.metrics.published import _average_precision
from pyg_gears.testing import assert_pose_invariant
from tests.metrics.test_pose import _unit


def layouts(n: int = 120, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(n, 2)) * [300.0, 150.0]
    return truth @ np.array([[0.0, 2.0], [-2.0, 0.0]]) + 300 * noise * generator.normal(size=(n, 2)), truth


def distances(pos: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """All pairs of both in the truth's RMS radii, the predicted ones at the best scale."""
    i, j = np.triu_indices(len(truth), 1)
    d, true = (np.linalg.norm(x[i] - x[j], axis=1) for x in (_unit(pos), _unit(truth)))
    scale = float(d @ true / (d @ d))
    return scale * d, true, scale


def test_keys_and_perfect_layouts() -> None:
    _, truth = layouts()
    found = published_scores(3 * truth[:, ::-1] + 5, truth)
    assert list(found) == list(PUBLISHED_BETTER)
    assert not set(found) & set(BETTER)
    for key, direction in PUBLISHED_BETTER.items():
        assert found[key] == pytest.approx(1.0 if direction == "up" else 0.0, abs=1e-9), key


def test_pose_and_unit_of_the_prediction_change_nothing() -> None:
    pos, truth = layouts(60)

    def scores(x: torch.Tensor) -> torch.Tensor:
        return torch.tensor(list(published_scores(x, truth).values()), dtype=torch.float64) / 300  # one is in pixels

    assert_pose_invariant(scores, torch.from_numpy(pos), allow_reflection=True, tol=1e-9)


def test_edges_and_shells_slow_statement() -> None:
    pos, truth = layouts()
    d, true, _ = distances(pos, truth)
    whole = np.linalg.norm(_unit(truth)[:, None] - _unit(truth)[None], axis=2)
    radius = np.median(np.sort(whole, axis=1)[:, 50])
    found = published_scores(pos, truth)
    assert found["published_edge_auc"] == pytest.approx(roc_auc_score(true < radius * (1 - 1e-4), -d), abs=1e-12)
    bounds = np.quantile(true, np.arange(1, 10) / 10)
    shells = [np.array([(value > bounds).sum() for value in values]) for values in (true, d)]
    expected = np.mean([f1_score(shells[0] == shell, shells[1] == shell) for shell in range(5)])
    assert found["published_shell_f1"] == pytest.approx(expected, abs=2e-3)


def test_precision_is_that_of_a_cell_among_as_many_others() -> None:
    """With half of the cells within the radius every other cell is a negative, whatever the seed."""
    pos, truth = layouts(30)
    whole = np.linalg.norm(_unit(truth)[:, None] - _unit(truth)[None], axis=2)
    radius = np.median(np.sort(whole, axis=1)[:, 14]) * (1 - 1e-4)  # 50 neighbours are cut to less than half of 30
    generator, values = np.random.default_rng(5), []
    predicted = np.linalg.norm(pos[:, None] - pos[None], axis=2)
    for _ in range(200):
        one = []
        for cell in range(30):
            close = [j for j in range(30) if j != cell and whole[cell, j] < radius]
            far = generator.permutation([j for j in range(30) if whole[cell, j] >= radius])[: len(close)].tolist()
            if close and far:
                label = [True] * len(close) + [False] * len(far)
                one.append(average_precision_score(label, -predicted[cell, close + far]))
        values.append(np.mean(one))
    found = [published_scores(pos, truth, seed=seed)["published_edge_bap"] for seed in range(5)]
    assert np.mean(found) == pytest.approx(np.mean(values), abs=4 * np.std(values) / np.sqrt(5))


def test_precision_counts_equal_distances_together() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        distance, label = generator.integers(0, 5, 30).astype(float), generator.random(30) < 0.5
        assert _average_precision(distance, label) == pytest.approx(
            average_precision_score(label, -distance), abs=1e-12
        )


def test_spacing_is_in_the_unit_of_the_truth() -> None:
    pos, truth = layouts()
    _, _, scale = distances(pos, truth)
    radius = np.sqrt(((truth - truth.mean(axis=0)) ** 2).sum(axis=1).mean())

    def near(x: np.ndarray) -> np.ndarray:
        return np.sort(np.linalg.norm(x[:, None] - x[None], axis=2), axis=1)[:, 1:21].ravel()

    expected = wasserstein_distance(scale * radius * near(_unit(pos)), near(truth))
    assert published_scores(pos, truth)["published_w1_knn"] == pytest.approx(expected, rel=1e-9)
    assert published_scores(pos, truth / 1000)["published_w1_knn"] == pytest.approx(expected / 1000, rel=1e-6)


def test_sliced_distance_of_stretched_clouds() -> None:
    """Along each direction the gap of a cloud and its stretched copy follows from the two variances."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(4000, 2))
    truth, pos = x * [1.0, 0.8], x * [1.0, 0.4]
    angle = np.linspace(0, np.pi, 500)

    def deviation(cloud: np.ndarray) -> np.ndarray:
        a, b = _unit(cloud).std(axis=0)
        return np.sqrt((a * np.cos(angle)) ** 2 + (b * np.sin(angle)) ** 2)

    expected = np.sqrt(2 / np.pi) * np.abs(deviation(pos) - deviation(truth)).mean()
    assert published_scores(pos, truth)["published_swd"] == pytest.approx(expected, rel=0.1)


def test_scale_error_sees_what_one_scale_hides() -> None:
    _, truth = layouts()
    centred = _unit(truth)
    radius = np.linalg.norm(centred, axis=1, keepdims=True)
    squeezed = centred * radius**-0.6  # short distances in the middle become long ones
    assert published_scores(squeezed, truth)["scale_error"] > 0.05
    pos, _ = layouts()
    d, true, scale = distances(pos, truth)
    order = np.argsort(true)
    parts = np.array_split(order, 10)
    logs = [np.log((d[part] / scale).mean() / true[part].mean()) for part in parts]
    assert published_scores(pos, truth)["scale_error"] == pytest.approx(np.sqrt(np.mean(np.square(logs))), abs=1e-9)
    stress = distance_agreement(pos, truth).stress_1
    assert np.log(scale) == pytest.approx(0.5 * np.log(1 - stress**2), abs=1e-6)  # why it is not the log of the scale


def test_piled_layouts_have_scores() -> None:
    _, truth = layouts(40)
    found = published_scores(np.zeros_like(truth), truth)
    assert found["scale_error"] == np.inf
    assert np.isfinite([value for key, value in found.items() if key != "scale_error"]).all()


def test_cells_on_one_another_in_both_layouts_are_true_to_scale() -> None:
    piles = np.repeat(np.random.default_rng(0).normal(size=(4, 2)), 10, axis=0)
    assert published_scores(3 * piles + 1, piles)["scale_error"] == pytest.approx(0.0, abs=1e-9)
    apart = piles + 1e-3 * np.random.default_rng(1).normal(size=piles.shape)
    assert published_scores(apart, piles)["scale_error"] == float("inf")

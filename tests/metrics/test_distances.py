from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from pyg_gears.metrics.distances import correlation, distance_agreement, pair_distances, pair_sample
from pyg_gears.metrics.layout_pair import layout_pair


def _layouts(n: int = 40, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.normal(size=(n, 2))
    return truth + noise * generator.normal(size=(n, 2)), truth


def test_slow_statement() -> None:
    pos, truth = _layouts()
    d, t = [], []
    for i in range(len(pos)):
        for j in range(i + 1, len(pos)):
            d.append(float(np.hypot(*(pos[i] - pos[j]))))
            t.append(float(np.hypot(*(truth[i] - truth[j]))))
    a = sum(x * y for x, y in zip(d, t, strict=True)) / sum(x * x for x in d)
    stress = (sum((y - a * x) ** 2 for x, y in zip(d, t, strict=True)) / sum(y * y for y in t)) ** 0.5
    found = distance_agreement(pos, truth)
    assert found.spearman == pytest.approx(spearmanr(d, t)[0], abs=1e-12)
    assert found.pearson == pytest.approx(np.corrcoef(d, t)[0, 1], abs=1e-12)
    assert found.stress_1 == pytest.approx(stress, abs=1e-12)


def test_stress_scale_is_the_optimum() -> None:
    pos, truth = _layouts()
    pair = layout_pair(pos, truth)
    distances = pair_distances(pair, seed=0)
    best = np.square(distances.true - distances.predicted).sum()
    for factor in (0.99, 1.01):
        assert np.square(distances.true - factor * distances.predicted).sum() > best


def test_sampled_pairs_estimate_all_pairs() -> None:
    pos, truth = _layouts(300)
    pair = layout_pair(pos, truth)
    everything, sample = pair_distances(pair, seed=0), pair_distances(pair, seed=0, max_pairs=20_000)
    assert sample.true.size == 20_000
    assert correlation(sample.predicted, sample.true) == pytest.approx(
        correlation(everything.predicted, everything.true), abs=0.01
    )
    i, j = pair_sample(300, seed=0, max_pairs=20_000)
    assert (i != j).all()
    assert np.array_equal(i, pair_sample(300, seed=0, max_pairs=20_000)[0])
    assert not np.array_equal(i, pair_sample(300, seed=1, max_pairs=20_000)[0])


def test_collapsed_prediction_scores_nothing() -> None:
    _, truth = _layouts()
    assert distance_agreement(np.ones_like(truth), truth) == (0.0, 0.0, 1.0)

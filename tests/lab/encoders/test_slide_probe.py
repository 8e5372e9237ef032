from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.lab.encoders.slide_probe import slide_probe, within_cluster_probe


def blobs(shift: float, n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    label = np.repeat([0, 1, 2], n // 3)
    return generator.normal(size=(n, 4)) + shift * np.eye(3, 4)[label], label


def test_it_is_cross_validated_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, label = blobs(1.0)
    x, label = x[:100], label[:100]  # unequal slides
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    folds = StratifiedKFold(5, shuffle=True, random_state=3)
    scores = cross_val_score(model, x, label, cv=folds, scoring="balanced_accuracy")
    found = slide_probe(x, [f"slide_{i}" for i in label], seed=3)
    assert found.accuracy == pytest.approx(scores.mean(), rel=1e-12)
    assert found.spread == pytest.approx(scores.std(), rel=1e-9)
    assert found.chance == pytest.approx(1 / 3)


def test_a_shift_is_found_and_scale_does_not_matter() -> None:
    x, label = blobs(6.0)
    assert slide_probe(x, label).accuracy > 0.98
    scale = np.array([1e-6, 1e6, 1.0, 1.0])
    assert slide_probe(x * scale + 1e3 * scale, label).accuracy == pytest.approx(slide_probe(x, label).accuracy)


def test_no_shift_is_about_chance_and_equal_means_are_below() -> None:
    x, label = blobs(0.0, n=1500)
    assert slide_probe(x, label).accuracy == pytest.approx(1 / 3, abs=0.06)
    means = np.stack([x[label == i].mean(axis=0) for i in range(3)])
    assert slide_probe(x - means[label], label).accuracy < slide_probe(x, label).accuracy


def test_constant_channels_are_harmless_and_a_rare_slide_counts_as_much() -> None:
    x, label = blobs(0.0, n=300)
    x[:, 1] = 7.0
    keep = (label < 2) & ((label == 0) | (np.arange(300) < 104))
    found = slide_probe(x[keep], label[keep])  # 100 spots against 4: always naming the larger gives 0.5
    assert 0.1 < found.accuracy < 0.85
    assert found.chance == 0.5


def test_inside_clusters_composition_no_longer_tells_the_slide() -> None:
    generator = np.random.default_rng(0)
    label = np.repeat([0, 1], 400)
    kind = (generator.uniform(size=800) < np.where(label == 0, 0.85, 0.15)).astype(int)
    x = generator.normal(size=(800, 3)) + 5.0 * kind[:, None]
    assert slide_probe(x, label).accuracy > 0.8
    inside = within_cluster_probe(x, label, kind)
    assert inside.accuracy == pytest.approx(0.5, abs=0.08)
    assert inside.clusters == 2
    by_hand = [slide_probe(x[kind == i], label[kind == i]).accuracy for i in range(2)]
    assert inside.accuracy == pytest.approx(np.mean(by_hand))


def test_clusters_that_lack_a_slide_are_left_out() -> None:
    x, label = blobs(0.0)
    clusters = np.where(np.arange(120) % 2 == 0, 0, 1)
    clusters[label == 2] = 0
    assert within_cluster_probe(x, label, clusters).clusters == 1
    nothing = within_cluster_probe(x, label, label)
    assert nothing.clusters == 0
    assert np.isnan(nothing.accuracy)


def test_bad_input() -> None:
    x, label = blobs(0.0)
    with pytest.raises(ValueError, match="expected two or more slides of two or more spots each, found 1 slide"):
        slide_probe(x, np.zeros(120))
    with pytest.raises(ValueError, match=r"found 2 slide\(s\), the smallest of 1 spot"):
        slide_probe(x, np.arange(120) == 5)
    with pytest.raises(ValueError, match=r"expected finite values of shape \(120, channels\), found shape \(119, 4\)"):
        slide_probe(x[1:], label)
    with pytest.raises(ValueError, match="expected finite values"):
        slide_probe(np.where(x > 2, np.nan, x), label)
    with pytest.raises(ValueError, match="at least two folds, found 1"):
        slide_probe(x, label, folds=1)
    with pytest.raises(ValueError, match="expected one cluster for each of 120 spots, found 3"):
        within_cluster_probe(x, label, np.arange(3))

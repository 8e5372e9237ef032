from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from pyg_gears.lab.encoders.embedding_shape import PROBE, EmbeddingShapes, embedding_shape
from pyg_gears.lab.encoders.subject import Scored


def test_shape_by_hand() -> None:
    generator = np.random.default_rng(0)
    values = [
        generator.normal(size=(n, 7)) * np.arange(1, 8) + shift for n, shift in ((30, 0.0), (50, 2.0), (40, -1.0))
    ]
    found = embedding_shape([torch.tensor(v, dtype=torch.float32) for v in values])
    norms = [np.linalg.norm(v, axis=1).mean() for v in values]
    assert found["norm_ratio"] == pytest.approx(max(norms) / min(norms), rel=1e-5)
    pooled = np.concatenate(values)
    assert found["std_min"] == pytest.approx(pooled.std(axis=0).min(), rel=1e-5)
    assert found["std_median"] == pytest.approx(np.median(pooled.std(axis=0)), rel=1e-5)
    assert found["top_5"] == pytest.approx(PCA().fit(pooled).explained_variance_ratio_[:5].sum(), rel=1e-5)
    centroids = [v.mean(axis=0) for v in values]
    pairs = [np.linalg.norm(centroids[i] - centroids[j]) for i in range(3) for j in range(i)]
    radius = np.sqrt(np.square(pooled - pooled.mean(axis=0)).sum(axis=1).mean())
    assert found["centroid_distance"] == pytest.approx(np.mean(pairs) / radius, rel=1e-5)


def test_a_collapsed_channel_and_unlike_norms_fail() -> None:
    numbers = {"norm_ratio": 1.2, "std_min": 0.001, "std_median": 1.0, "top_5": 0.9, "centroid_distance": 0.1}
    good = numbers | {"norm_ratio": 1.05, "std_min": 0.5}
    record = EmbeddingShapes(
        ("a", "b"),
        {
            "model": Scored(None, (), {"fitted": numbers, "held_out": good}, given=True),
            "unseen": Scored(None, (), {"fitted": None, "held_out": good}, given=True),
            "PCA": Scored(None, (), {"fitted": numbers, "held_out": numbers}, given=False),
        },
    )
    checks = PROBE.requirements(record)
    assert [(check.subject, check.passed) for check in checks] == [
        ("model", False),
        ("model", False),
        ("unseen", True),
        ("unseen", True),
    ]

from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.lab.encoders.subspace_angles import slide_subspace_angles


def slide(directions: np.ndarray, seed: int, n: int = 200, noise: float = 0.05) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, len(directions))) @ directions + noise * generator.normal(
        size=(n, directions.shape[1])
    )


def test_angles_are_those_of_the_spans() -> None:
    basis = np.eye(12)
    tilted = np.stack([basis[0], np.cos(0.6) * basis[1] + np.sin(0.6) * basis[2]])
    values = [slide(basis[:2], 0), slide(tilted, 1) + 5.0, slide(basis[5:7], 2)]  # a shift of means plays no part
    found = slide_subspace_angles(values, components=2)
    np.testing.assert_allclose(found.degrees[0, 1], [0, np.rad2deg(0.6)], atol=1.5)
    np.testing.assert_allclose(found.degrees[0, 2], [90, 90], atol=2)
    np.testing.assert_allclose(found.degrees, found.degrees.transpose(1, 0, 2))
    assert (found.degrees[[0, 1, 2], [0, 1, 2]] == 0).all()


def test_it_is_the_svd_of_the_product_of_bases() -> None:
    generator = np.random.default_rng(3)
    values = [generator.normal(size=(60, 9)) * np.arange(1, 10) for _ in range(2)]
    found = slide_subspace_angles(values, components=3)
    spans = [np.linalg.svd(value - value.mean(axis=0), full_matrices=False)[2][:3] for value in values]
    cosine = np.linalg.svd(spans[0] @ spans[1].T, compute_uv=False)
    np.testing.assert_allclose(found.degrees[0, 1], np.rad2deg(np.arccos(np.clip(cosine, -1, 1))), atol=1e-3)


def test_halves_of_one_slide_are_near_and_repeat() -> None:
    basis = np.eye(12)
    values = [slide(basis[:3] * [[3], [2], [1]], 0), slide(basis[4:7] * [[3], [2], [1]], 1)]
    found = slide_subspace_angles(values, components=3)
    assert np.diag(found.halves).max() < 10
    assert found.halves[0, 1] == found.halves[1, 0] > 80
    summary = found.summary()
    assert summary["between"] == pytest.approx(found.degrees[0, 1].mean())
    assert summary["own_halves"] == pytest.approx(np.diag(found.halves).mean())
    assert summary["between_halves"] == found.halves[0, 1]
    np.testing.assert_array_equal(slide_subspace_angles(values, components=3).halves, found.halves)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"on the same genes, found \[3, 4\] genes"):
        slide_subspace_angles([np.ones((9, 3)), np.ones((9, 4))])
    with pytest.raises(ValueError, match="and 3 spots"):
        slide_subspace_angles([np.ones((9, 3)), np.ones((3, 3))])

from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.lab.encoders.neighbor_mixing import neighbor_mixing


def slow(x: np.ndarray, label: np.ndarray, k: int) -> tuple[float, float]:
    """Both scores row by row, Euclidean."""
    entropies, indices = [], []
    for i in range(len(x)):
        far = np.linalg.norm(x - x[i], axis=1)
        near = [j for j in np.argsort(far, kind="stable") if j != i][:k]
        share = np.array([np.mean(label[near] == group) for group in np.unique(label)])
        known = share[share > 0]
        entropies.append(-(known * np.log(known)).sum())
        indices.append((1 / (share**2).sum() - 1) / (len(np.unique(label)) - 1))
    overall = np.array([np.mean(label == group) for group in np.unique(label)])
    return float(np.mean(entropies) / -(overall * np.log(overall)).sum()), float(np.mean(indices))


def test_it_is_the_formula() -> None:
    generator = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], [20, 30, 40])
    x = generator.normal(size=(90, 3)) + 0.7 * label[:, None]
    found = neighbor_mixing(torch.tensor(x), label, k=9, metric="euclidean")
    np.testing.assert_allclose(found[:2], slow(x, label, 9), rtol=1e-9)
    shuffled = np.random.default_rng(0).permutation(label)
    np.testing.assert_allclose(found[2:], slow(x, shuffled, 9), rtol=1e-9)


def test_apart_and_mixed() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 5, generator=generator)
    label = np.arange(400) % 2
    mixed = neighbor_mixing(x, label)
    assert mixed.entropy == pytest.approx(mixed.entropy_mixed, abs=0.02)
    assert mixed.ilisi == pytest.approx(mixed.ilisi_mixed, abs=0.05)
    apart = neighbor_mixing(x + 50 * torch.tensor(label)[:, None] * torch.eye(5)[0], label, metric="euclidean")
    assert apart[:2] == (0.0, 0.0)
    assert apart.ilisi_mixed > 0.8


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"labels of 1 group"):
        neighbor_mixing(torch.eye(4), [0, 0, 0, 0])
    with pytest.raises(ValueError, match="each of 4 rows, found 3 labels"):
        neighbor_mixing(torch.eye(4), [0, 1, 0])

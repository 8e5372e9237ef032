from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.encoders.domain_distances import coral, mmd
from pyg_gears.encoders.domain_gap import DomainGap, covariance_difference, domain_gap


def draw(n: int, seed: int, c: int = 4) -> torch.Tensor:
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed))


def test_the_same_distribution_is_near() -> None:
    gap = domain_gap(draw(300, 0), draw(300, 1), seed=0)
    assert not gap.far
    assert gap.coral < 0.02
    assert abs(gap.mmd) < 0.01
    assert gap.covariance < 0.4


def test_equal_means_but_another_spread_are_seen_by_the_distances() -> None:
    cells, spots = 0.3 * draw(300, 0), draw(300, 1)
    gap = domain_gap(cells - cells.mean(dim=0), spots - spots.mean(dim=0), seed=0)
    assert gap.far
    assert gap.mmd > 0.06
    assert gap.covariance > 0.78


def test_numbers_are_the_distances_of_scaled_embeddings_and_do_not_depend_on_scale() -> None:
    cells, spots = draw(60, 0), 2 * draw(50, 1) + 1
    gap = domain_gap(cells, spots, seed=0)
    scale = spots.double().square().mean().sqrt()
    x, y = cells.double() / scale, spots.double() / scale
    assert gap.coral == pytest.approx(float(coral(x, y)), rel=1e-6)
    assert gap.mmd == pytest.approx(float(mmd(x, y, unbiased=True)), rel=1e-6)
    assert domain_gap(7 * cells, 7 * spots, seed=0) == pytest.approx(gap, rel=1e-3)


def test_large_sets_are_sampled_by_the_seed() -> None:
    cells, spots = draw(1200, 0, 2), draw(50, 1, 2)
    assert domain_gap(cells, spots, seed=3) == domain_gap(cells, spots, seed=3)
    assert domain_gap(cells, spots, seed=3) != domain_gap(cells, spots, seed=4)


def test_verdict() -> None:
    assert not DomainGap(9.0, 0.06, 0.78).far
    assert DomainGap(0.0, 0.0601, 0.0).far
    assert DomainGap(0.0, 0.0, 0.7801).far


def slow_covariance_difference(x: np.ndarray, y: np.ndarray) -> float:
    def moments(z: np.ndarray) -> tuple[np.ndarray, float]:
        n = len(z)
        z = z - z.mean(axis=0)
        sample = sum(np.outer(row, row) for row in z) / n
        return sample, sum(np.linalg.norm(np.outer(row, row) - sample) ** 2 for row in z) / n**2

    (first, error_x), (second, error_y) = moments(x), moments(y)
    excess = max(0.0, np.linalg.norm(first - second) ** 2 - error_x - error_y)
    return np.sqrt(excess / (np.linalg.norm(second) ** 2 - error_y))


def test_covariance_difference_is_the_formula() -> None:
    x, y = draw(40, 0).double(), 2 * draw(30, 1).double()
    expected = slow_covariance_difference(x.numpy(), y.numpy())
    assert expected > 0.3
    assert covariance_difference(x, y) == pytest.approx(expected, rel=1e-9)
    assert covariance_difference(0 * x, draw(5000, 1)) == pytest.approx(1.0, abs=0.01)


def test_few_cells_of_the_same_tissue_are_not_far() -> None:
    spots = draw(500, 0, 20)
    found = [covariance_difference(draw(30, seed, 20), spots) for seed in range(1, 21)]
    few, many = draw(30, 1, 20).T.cov(), spots.T.cov()
    plain = float((few - many).norm() / many.norm())
    assert np.mean(found) < 0.3
    assert plain > 0.78
    # More channels than spots: the base stays positive.
    assert np.isfinite(covariance_difference(draw(3, 1, 20), draw(3, 2, 20)))


def test_bad_input() -> None:
    x = draw(10, 0)
    with pytest.raises(ValueError, match="domain_gap expected finite embeddings, found NaN"):
        domain_gap(x.where(x != x[0, 0], torch.tensor(torch.nan)), x)
    with pytest.raises(ValueError, match="domain_gap expected spots that differ, found none"):
        domain_gap(x, torch.ones(10, 4))
    with pytest.raises(ValueError, match="expected two sets with the same channels"):
        domain_gap(x, x[:, :2])
    with pytest.raises(ValueError, match="expected at least two rows"):
        domain_gap(x[:1], x)

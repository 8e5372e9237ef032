from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from pyg_gears.data import read_slide
from pyg_gears.encoders import ComponentEncoder, Normalization
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


@pytest.mark.parametrize(
    ("covariance", "mmd", "near"), [(0.44, 0.07, True), (0.46, 0.0, False), (0.2, 0.09, False), (0.8, 0.0, False)]
)
def test_near_is_of_nearly_the_same_covariance_and_not_far(covariance, mmd, near) -> None:
    assert DomainGap(0.0, mmd, covariance).near == near


def test_equal_means_but_another_spread_are_seen_by_the_distances() -> None:
    cells, spots = 0.3 * draw(300, 0), draw(300, 1)
    gap = domain_gap(cells - cells.mean(dim=0), spots - spots.mean(dim=0), seed=0)
    assert gap.far
    assert gap.mmd > 0.08
    assert gap.covariance > 0.75


def test_numbers_are_the_distances_of_scaled_embeddings_and_do_not_depend_on_scale() -> None:
    cells, spots = draw(60, 0), 2 * draw(50, 1) + 1
    gap = domain_gap(cells, spots, seed=0)
    centre = spots.double().mean(dim=0)  # four channels: the principal axes are a rotation of them
    scale = (spots.double() - centre).square().mean().sqrt()
    x, y = (cells.double() - centre) / scale, (spots.double() - centre) / scale
    assert gap.covariance == pytest.approx(covariance_difference(x, y), rel=1e-5)
    assert gap.coral == pytest.approx(float(coral(x, y)), rel=1e-5)
    assert gap.mmd == pytest.approx(float(mmd(x, y, unbiased=True)), rel=1e-5)
    assert domain_gap(7 * cells, 7 * spots, seed=0) == pytest.approx(gap, rel=1e-3)


def test_the_numbers_do_not_depend_on_further_channels() -> None:
    """Forty channels of which sixteen carry the structure: the same numbers as of the sixteen alone."""
    spread = torch.cat([torch.linspace(3, 1, 16), torch.full((24,), 0.02)])
    cells, spots = 0.8 * draw(400, 0, 40) * spread, draw(700, 1, 40) * spread
    whole, part = domain_gap(cells, spots), domain_gap(cells[:, :16], spots[:, :16])
    assert whole == pytest.approx(part, rel=0.02, abs=2e-3)
    assert part.covariance == pytest.approx(1 - 0.8**2, abs=0.1)


def test_a_shift_of_the_mean_is_seen_by_the_discrepancy_alone() -> None:
    gap = domain_gap(draw(300, 0) + 2, draw(300, 1))
    assert gap.covariance < 0.4
    assert gap.mmd > 0.08


def test_large_sets_are_sampled_by_the_seed() -> None:
    cells, spots = draw(1200, 0, 2), draw(50, 1, 2)
    assert domain_gap(cells, spots, seed=3) == domain_gap(cells, spots, seed=3)
    assert domain_gap(cells, spots, seed=3) != domain_gap(cells, spots, seed=4)


def test_verdict() -> None:
    assert not DomainGap(9.0, 0.08, 0.75).far
    assert DomainGap(0.0, 0.0801, 0.0).far
    assert DomainGap(0.0, 0.0, 0.7501).far


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
    with pytest.raises(ValueError, match="expected finite values in cells_x, found NaN"):
        domain_gap(x.where(x != x[0, 0], torch.tensor(torch.nan)), x)
    with pytest.raises(ValueError, match="expected spots that differ, found none"):
        domain_gap(x, torch.ones(10, 4))
    with pytest.raises(ValueError, match="expected two sets with the same channels"):
        domain_gap(x, x[:, :2])
    with pytest.raises(ValueError, match="expected at least two rows"):
        domain_gap(x[:1], x)


@pytest.mark.parametrize("components", [20, 40])
def test_real_sections_are_near_and_permuted_genes_far(real_slides, components: int) -> None:
    """The verdict holds for any number of components."""
    folder = real_slides / "starmap_mpfc"
    slides = [read_slide(path) for path in sorted(folder.glob("*.h5ad"))]
    encoder, crossed = ComponentEncoder.fit_transform(
        slides[:2], n_components=components, kind="spatial", normalization=Normalization(1000.0)
    )
    spots = torch.cat(crossed)
    order = np.random.default_rng(0).permutation(len(slides[2].genes))
    permuted = dataclasses.replace(slides[2], counts=slides[2].counts[:, order])
    assert not domain_gap(encoder.features(slides[2]), spots).far
    assert domain_gap(encoder.features(permuted), spots).far

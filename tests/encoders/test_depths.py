from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pyg_gears.data import simulate_tissue
from pyg_gears.encoders import CenteredGenes, ComponentEncoder, LearnedEncoder, Normalization
from pyg_gears.encoders.expression_network import ExpressionNetwork
from pyg_gears.encoders.smoothing import borrowed_depths, smooth_shallow


def test_borrowed_counts_are_those_of_equal_sampling_noise() -> None:
    """Noise of variance 1 / depth, smoothed: what is left has the variance of the depth that is named."""
    rng = np.random.default_rng(0)
    n, ratio, rounds = 300, 0.2, 60
    depth = np.where(np.arange(n) % 10 == 0, 5.0, 50.0)
    # All cells at one place far from the origin: neighbours are a random choice, independent of the noise along the rest.
    total = np.zeros(n)
    place = rng.normal(size=(n, 3)) * 100
    for _ in range(rounds):
        noise = rng.normal(size=n) / np.sqrt(depth)
        x = torch.from_numpy(np.concatenate([place, 1e-3 * noise[:, None]], axis=1).astype(np.float32))
        total += (smooth_shallow(x, ratio)[:, 3].numpy() / 1e-3) ** 2 / rounds
    found = borrowed_depths(depth, ratio)
    for rows in (depth == 5, depth == 50):
        # The neighbours' mean depth is not quite the median.
        assert 1 / total[rows].mean() == pytest.approx(found[rows].mean(), rel=0.25)


def test_nothing_is_borrowed_by_deep_or_by_two_cells() -> None:
    depth = np.array([3.0, 1.0, 8.0])
    np.testing.assert_array_equal(borrowed_depths(depth, 0.5), depth)
    np.testing.assert_array_equal(borrowed_depths(depth[:2], 0.01), depth[:2])


def test_encoders_name_the_counts_that_they_read() -> None:
    tissue = simulate_tissue("gradient", slides=1, cells=60, spots=50, genes=40, capture=0.1)
    slides, cells, normalization = tissue.slides, tissue.cells, Normalization(1e3)
    genes = slides[0].genes[5:]
    chosen = [slide.subset_genes(genes) for slide in slides]
    plain = cells.subset_genes(genes).counts.toarray().sum(axis=1)
    centred, _ = CenteredGenes.fit_transform(chosen, normalization=normalization)
    np.testing.assert_allclose(centred.depths(cells), plain)
    assert centred.depth_ratio(cells) == 1.0  # it does not know the slides' depth
    front = ComponentEncoder.fit(chosen, n_components=4, kind="pca", normalization=normalization)
    assert (front.depths(cells) > 2 * plain).all()
    spots = np.median(chosen[0].counts.sum(axis=1))
    assert front.depth_ratio(cells) == pytest.approx(np.median(plain) / spots)
    deep = replace(cells, counts=cells.counts * 1000)
    np.testing.assert_allclose(front.depths(deep), 1000 * plain, rtol=1e-6)
    learned = LearnedEncoder(front, [ExpressionNetwork(4, 4, residual=True)], [torch.eye(4)], 1.0)
    np.testing.assert_array_equal(learned.depths(cells), front.depths(cells))

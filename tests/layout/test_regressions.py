from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from pyg_gears.data import EmbeddedSlide, simulate_tissue
from pyg_gears.encoders import ComponentEncoder, Normalization
from pyg_gears.layout import Regressions
from pyg_gears.training.regression_recipe import RegressionRecipe


@pytest.fixture(scope="module")
def tissue():
    found = simulate_tissue("layers", slides=3, cells=30, seed=0, spots=150, genes=120)
    encoder = ComponentEncoder.fit(
        found.slides[:2], n_components=10, kind="spatial", normalization=Normalization(1e3, "log1p")
    )
    embedded = [EmbeddedSlide(slide.name, encoder.embed(slide).x, torch.tensor(slide.pos)) for slide in found.slides]
    return found.slides, embedded


def agreement(pos, truth):
    one, two = (torch.pdist(torch.as_tensor(np.array(p))).numpy() for p in (pos, truth))
    return spearmanr(one, two).statistic


def test_both_lay_an_unseen_slide_out_with_their_weights(tissue):
    slides, embedded = tissue
    fitted = Regressions.fit(RegressionRecipe(knn=2.0, kernel_ridge=0.25), slides[:2], embedded[:2])
    found = fitted.layouts(slides[2], embedded[2].x)
    assert [layout.weight for layout in found] == [2.0, 0.25]
    assert all(agreement(layout.pos, slides[2].pos) > 0.6 for layout in found)


def test_cells_take_the_mean_place_of_themselves_and_their_nearest_in_the_query(tissue):
    slides, embedded = tissue
    fitted = Regressions.fit(RegressionRecipe(kernel_ridge=0.0), slides[:2], embedded[:2])
    x = embedded[2].x
    raw = fitted.knn.layout(x)
    unit = torch.nn.functional.normalize(x.double(), dim=1)
    expected = []
    for cell in range(len(x)):
        near = torch.argsort(unit @ unit[cell], descending=True)[:10].numpy()
        assert cell in near
        expected.append(raw[near].mean(axis=0))
    (found,) = fitted.layouts(slides[2], x)
    assert np.allclose(found.pos, expected, atol=1e-6)


def test_shallow_cells_borrow_on_the_components_when_asked_to(tissue):
    slides, embedded = tissue
    fitted = Regressions.fit(RegressionRecipe(knn=0.0), slides[:2], embedded[:2])
    thin = replace(slides[2], counts=slides[2].counts / np.float32(10))
    own = fitted.components.embed(thin)
    lent = fitted.components.borrow(own, fitted.components.depth_ratio(thin))
    for borrow, expected in ((False, own), (True, lent)):
        (found,) = fitted.layouts(thin, embedded[2].x, borrow=borrow)
        assert np.allclose(found.pos, fitted.kernel_ridge.layout(expected.x))
    assert not np.allclose(fitted.kernel_ridge.layout(own.x), fitted.kernel_ridge.layout(lent.x))


def test_a_block_is_centred_by_its_whole_slide(tissue):
    slides, embedded = tissue
    fitted = Regressions.fit(RegressionRecipe(knn=0.0), slides[:2], embedded[:2])
    inside = slides[2].pos[:, 0] < np.median(slides[2].pos[:, 0])
    x = embedded[2].x
    whole = fitted.kernel_ridge.layout(fitted.components.embed(slides[2]).x[torch.from_numpy(inside)])
    (found,) = fitted.layouts(slides[2], x[torch.from_numpy(inside)], inside)
    assert np.allclose(found.pos, whole)
    (own,) = fitted.layouts(slides[2].select(inside), x[torch.from_numpy(inside)])
    assert not np.allclose(own.pos, whole, atol=1e-2)


@pytest.mark.parametrize("weights", [{}, {"knn": 0.0}, {"kernel_ridge": 0.0}])
def test_the_state_gives_the_same_layouts(tissue, weights):
    slides, embedded = tissue
    fitted = Regressions.fit(RegressionRecipe(**weights), slides[:2], embedded[:2], seed=3)
    again = Regressions.from_state_dict(fitted.state_dict())
    pairs = zip(fitted.layouts(slides[2], embedded[2].x), again.layouts(slides[2], embedded[2].x), strict=True)
    assert all(np.array_equal(one.pos, two.pos) and one.weight == two.weight for one, two in pairs)


def test_two_cells_have_a_layout(tissue):
    slides, embedded = tissue
    fitted = Regressions.fit(RegressionRecipe(), slides[:2], embedded[:2])
    two = np.arange(len(slides[2])) < 2
    found = fitted.layouts(slides[2].select(two), embedded[2].x[:2])
    assert all(layout.pos.shape == (2, 2) and np.isfinite(layout.pos).all() for layout in found)

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from pyg_gears.layout import WeightedLayout, weigh_by_agreement


@pytest.fixture
def layout():
    return np.random.default_rng(0).standard_normal((60, 2))


def plain(confidence, pos, others):
    """The formula, cell by cell."""
    agreed = []
    for i in range(len(pos)):
        rest = [j for j in range(len(pos)) if j != i]
        distance = [np.linalg.norm(layout[rest] - layout[i], axis=1) for layout in (pos, *others)]
        agreed.append(np.mean([max(spearmanr(distance[0], other).statistic, 0.0) for other in distance[1:]]))
    weighed = confidence * agreed
    return weighed * confidence.sum() / weighed.sum()


def test_it_is_the_formula_and_keeps_the_mean(layout):
    rng = np.random.default_rng(1)
    others = [layout + rng.standard_normal((60, 2)) * scale for scale in (0.3, 1.0)]
    confidence = rng.uniform(0.1, 0.5, 60)
    found = weigh_by_agreement(confidence, layout, [WeightedLayout(other, 1.0) for other in others])
    np.testing.assert_allclose(found, plain(confidence, layout, others))
    assert found.mean() == pytest.approx(confidence.mean())


def test_cells_that_others_place_elsewhere_lose(layout):
    moved = layout.copy()
    moved[:10] = -3 * moved[:10]
    found = weigh_by_agreement(np.full(60, 0.5), layout, [WeightedLayout(moved, 1.0)])
    assert found[:10].max() < found[10:].min()


def test_pose_and_unit_of_the_others_do_not_matter(layout):
    rng = np.random.default_rng(2)
    other, confidence = layout + rng.standard_normal((60, 2)) * 0.5, rng.uniform(0, 0.6, 60)
    turned = 7 * other @ np.array([[0.0, -1.0], [-1.0, 0.0]]) + 3
    a, b = (weigh_by_agreement(confidence, layout, [WeightedLayout(pos, 1.0)]) for pos in (other, turned))
    np.testing.assert_allclose(a, b)


def test_it_never_exceeds_one_and_leaves_nothing_where_nothing_was(layout):
    rng = np.random.default_rng(3)
    confidence = np.where(np.arange(60) < 5, 0.0, 0.95)
    found = weigh_by_agreement(confidence, layout, [WeightedLayout(layout + rng.standard_normal((60, 2)), 1.0)])
    assert found.max() <= 1.0
    assert (found[:5] == 0).all()


@pytest.mark.parametrize("others", [[], [np.zeros((60, 2))]])
def test_without_any_agreement_to_go_by_it_stays(layout, others):
    confidence = np.linspace(0, 1, 60)
    found = weigh_by_agreement(confidence, layout, [WeightedLayout(other, 1.0) for other in others])
    np.testing.assert_array_equal(found, confidence)

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from pyg_gears.layout import joint_probabilities, neighbor_refinement, refine_neighbors
from pyg_gears.metrics import evaluate_layout


def tissue(n: int = 500, seed: int = 0) -> tuple[np.ndarray, torch.Tensor, np.ndarray]:
    """True places, expression that knows neighbours, and a layout that knows regions."""
    rng = np.random.default_rng(seed)
    pos = rng.random((n, 2)) * [3.0, 2.0]
    waves = np.concatenate([np.sin(k * pos + k) for k in (2, 3, 5)], axis=1)
    x = waves + 0.1 * rng.standard_normal(waves.shape)
    return pos, torch.from_numpy(x).float(), 5 + 40 * (pos + 0.3 * rng.standard_normal(pos.shape))


def reference_probabilities(x: np.ndarray, perplexity: int) -> np.ndarray:
    """One row after the other, by a root finder on the entropy."""
    from scipy.optimize import brentq

    n = len(x)
    square = cdist(x, x) ** 2
    p = np.zeros((n, n))
    for i in range(n):
        near = np.argsort(np.where(np.arange(n) == i, np.inf, square[i]), kind="stable")[: 3 * perplexity]
        cost = square[i, near] - square[i, near].min()

        def row(beta, cost=cost):
            weight = np.exp(-beta * cost)
            return weight / weight.sum()

        def excess(log_beta, row=row):
            found = row(np.exp(log_beta))
            return -(found * np.log(np.maximum(found, 1e-300))).sum() - np.log(perplexity)

        p[i, near] = row(np.exp(brentq(excess, -15, 15)))
    return (p + p.T) / 2


def test_probabilities_are_those_of_the_formula():
    x = np.random.default_rng(0).standard_normal((120, 5)) * [1, 2, 0.5, 3, 1]
    found = joint_probabilities(torch.from_numpy(x), 12)
    assert np.allclose(found.toarray(), reference_probabilities(x, 12), atol=1e-5)
    assert np.isclose(found.sum(), 120)


def test_probabilities_do_not_depend_on_the_unit_and_bear_equal_rows():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((60, 3)))
    x[:20] = x[0]
    found = joint_probabilities(x, 8)
    assert np.isfinite(found.data).all()
    assert np.allclose(found.toarray(), joint_probabilities(x * 1e4, 8).toarray(), atol=1e-5)


def test_the_rounds_follow_the_gradient_of_the_energy(monkeypatch):
    # With all cells repelling, one small step is one step down the gradient of the stated energy, taken numerically here.
    _, x, layout = tissue(40)
    monkeypatch.setattr(neighbor_refinement, "REPELLING", 1000)
    pull, perplexity = 0.3, 13
    centre = layout.mean(axis=0)
    unit = 3.0 / np.sort(cdist(layout, layout), axis=1)[:, perplexity].mean()
    start = (layout - centre) * unit
    blocks = [
        v / np.sqrt((v**2).sum(axis=1).mean()) for v in (x.double().numpy() - x.double().numpy().mean(axis=0), start)
    ]
    p = reference_probabilities(np.concatenate(blocks, axis=1), perplexity) / 40

    def energy(y):
        kernel = 1 / (1 + cdist(y, y) ** 2)
        np.fill_diagonal(kernel, 0)
        q = kernel / kernel.sum()
        held = p > 0
        return (p[held] * np.log(p[held] / q[held])).sum() + pull / (2 * 40) * ((y - y0) ** 2).sum()

    # The anchor has no pull at the start itself; its gradient is seen after a first step.
    y0 = start
    one = (refine_neighbors(layout, [x], rounds=1, pull=pull) - centre) * unit
    step = one - start
    slope = np.zeros_like(start)
    for i in range(40):
        for axis in range(2):
            shift = np.zeros_like(start)
            shift[i, axis] = 1e-5
            slope[i, axis] = (energy(start + shift) - energy(start - shift)) / 2e-5
    expected = -neighbor_refinement.STEP * 40 * slope
    expected -= expected.mean(axis=0)  # the layout keeps its centre
    assert np.abs(step - expected).max() < 1e-3 * np.abs(expected).max()
    assert energy(one) < energy(start)


def test_neighbours_are_found_and_regions_stay():
    pos, x, layout = tissue()
    refined = refine_neighbors(layout, [x])
    before, after = evaluate_layout(layout, pos), evaluate_layout(refined, pos)
    assert after["recall_15"] > before["recall_15"] + 0.05
    assert after["trust_20"] > before["trust_20"] + 0.01
    assert after["spearman"] > before["spearman"] - 0.01
    assert np.allclose(refined.mean(axis=0), layout.mean(axis=0))


def test_a_strong_pull_and_no_rounds_change_nothing():
    _, x, layout = tissue(100)
    assert np.array_equal(refine_neighbors(layout, [x], rounds=0), layout)
    weak, strong = (np.abs(refine_neighbors(layout, [x], pull=pull) - layout).max() for pull in (0.1, 2.0))
    assert strong < 0.5 * weak


def test_the_layout_turns_moves_and_grows_with_its_start():
    _, x, layout = tissue(200)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]]) * 0.01
    assert np.allclose(refine_neighbors(layout @ turn + 3, [x]), refine_neighbors(layout, [x]) @ turn + 3, atol=1e-3)


@pytest.mark.parametrize("n", [2, 4, 5, 12])
def test_few_cells(n):
    _, x, layout = tissue(n)
    assert np.isfinite(refine_neighbors(layout, [x])).all()


def test_cells_on_one_another_stay():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((50, 3)))
    pos = np.zeros((50, 2))
    assert np.array_equal(refine_neighbors(pos, [x]), pos)
    pos[:10] = np.random.default_rng(1).random((10, 2))
    assert np.array_equal(refine_neighbors(pos, [x]), pos)


def test_blocks_of_expression_count_alike():
    _, x, layout = tissue(150)
    refined = refine_neighbors(layout, [x])
    # The same block twice, in another unit, is the same expression: places still weigh as much as both.
    assert np.allclose(refine_neighbors(layout, [x, 1000 * x]), refined, atol=1e-3 * np.abs(layout).max())
    other = torch.from_numpy(np.random.default_rng(5).standard_normal((150, 6)))
    assert spearmanr(refine_neighbors(layout, [x, other]).ravel(), refined.ravel()).statistic < 0.9999


def test_the_less_the_slides_know_the_more_expression_decides():
    pos, x, layout = tissue()
    found = [refine_neighbors(layout, [x], confidence=c) for c in (1.0, 0.5, 0.35, 0.2, 0.0)]
    moved = [np.abs(one - layout).mean() for one in found]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[3], found[4])
    assert moved[1] < moved[2] < moved[3]
    recall = [evaluate_layout(one, pos)["recall_15"] for one in found]
    assert recall[0] < recall[2] < recall[3]

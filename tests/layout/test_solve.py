from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from pyg_gears.errors import InputError
from pyg_gears.geometry.geodesics import landmark_mds, landmark_paths
from pyg_gears.layout import isomap_start, solve_layout


def measured(n=40, seed=0, error=0.05, share=1.0):
    rng = np.random.default_rng(seed)
    pos = rng.standard_normal((n, 2))
    i, j = np.triu_indices(n, 1)
    chosen = (rng.random(len(i)) < share) | (j == i + 1)
    pairs = np.stack([i[chosen], j[chosen]])
    true = np.linalg.norm(pos[pairs[0]] - pos[pairs[1]], axis=1)
    return pos, pairs, np.abs(true + error * rng.standard_normal(len(true)))


def slow_objective(pos, start, pairs, distance, weight, threshold, anchor):
    """The formula as written, in a loop over edges."""
    total, degree = 0.0, np.zeros(len(pos))
    for (i, j), d, w in zip(pairs.T, distance, weight, strict=True):
        z = np.sqrt(w) * abs(np.linalg.norm(pos[i] - pos[j]) - d)
        total += z**2 / 2 if z <= threshold else threshold * (z - threshold / 2)
        degree[i] += w
        degree[j] += w
    return total + anchor / 2 * (degree * ((pos - start) ** 2).sum(axis=1)).sum()


def test_the_minimum_is_the_one_that_a_general_minimiser_finds():
    rng = np.random.default_rng(1)
    _, pairs, distance = measured(15, share=0.7, error=0.2)
    weight = rng.random(len(distance)) + 0.1
    weight /= weight.mean()
    start = isomap_start(15, pairs, distance)
    found = solve_layout(
        15, pairs, distance, 7.0 * weight, start, iterations=400, anchor=1e-2
    )  # only ratios of weights count

    def objective(flat):
        return slow_objective(flat.reshape(-1, 2), start, pairs, distance, weight, found.threshold, 1e-2)

    assert np.isclose(objective(found.pos.ravel()), found.history[-1])
    reference = minimize(objective, found.pos.ravel(), method="BFGS", options={"gtol": 1e-6, "maxiter": 200})
    assert np.isclose(found.history[-1], reference.fun, rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(0, 999), st.floats(0, 1), st.floats(0, 0.1), st.floats(0.0, 2.0))
@example(3, 2, 0.0, 1e-17, 2.0)  # a pull within rounding of zero must not let the layout drift away
def test_the_objective_never_rises(n, seed, share, anchor, error):
    _, pairs, distance = measured(n, seed, error, share)
    weight = np.random.default_rng(seed).random(len(distance)) ** 4
    found = solve_layout(n, pairs, distance, weight, iterations=12, anchor=anchor)
    history = np.array(found.history)
    assert np.isfinite(found.pos).all()
    assert (np.diff(history) <= 1e-12 * (distance**2).sum()).all()


def test_true_distances_give_the_truth_back():
    pos, pairs, distance = measured(60, error=0.0, share=0.4)
    found = solve_layout(60, pairs, distance, iterations=800, anchor=0.0)
    assert found.residual.max() < 1e-3
    gap = np.linalg.norm(found.pos[:, None] - found.pos[None], axis=-1)
    true = np.linalg.norm(pos[:, None] - pos[None], axis=-1)
    assert np.abs(gap - true).max() < 1e-2
    report = found.report(np.ones(len(distance)), distance)
    assert np.isclose(report["residual_max"], found.residual.max())
    assert np.isclose(report["stress"], np.sqrt((found.residual**2).sum() / (distance**2).sum()))


def test_wild_distances_hardly_matter():
    pos, pairs, distance = measured(80, error=0.02, share=0.5)
    wild = np.random.default_rng(5).random(len(distance)) < 0.1
    distance = np.where(wild, 3 * distance + 1, distance)
    found = solve_layout(80, pairs, distance, iterations=60)
    true = np.linalg.norm(pos[pairs[0]] - pos[pairs[1]], axis=1)
    length = np.linalg.norm(found.pos[pairs[0]] - found.pos[pairs[1]], axis=1)
    assert np.median(np.abs(length - true)) < 0.05


def test_the_anchor_holds_the_start():
    pos, pairs, distance = measured(30)
    held = solve_layout(30, pairs, 2 * distance, start=pos, iterations=10, anchor=1e6)
    assert np.abs(held.pos - pos).max() < 1e-4


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_few_cells_and_equal_distances(n, value):
    pairs = np.stack(np.triu_indices(n, 1))
    found = solve_layout(n, pairs, np.full(pairs.shape[1], value), start=np.zeros((1, 2)) if n == 1 else None)
    assert found.pos.shape == (n, 2)
    assert np.isfinite(found.pos).all()
    if n in (2, 3):
        assert found.residual.max() < 0.02


def test_duplicated_cells_stay_together():
    pos, pairs, _ = measured(30)
    pos[15:] = pos[:15]
    distance = np.linalg.norm(pos[pairs[0]] - pos[pairs[1]], axis=1)
    found = solve_layout(30, pairs, distance, iterations=100)
    assert np.linalg.norm(found.pos[15:] - found.pos[:15], axis=1).max() < 0.02


@pytest.mark.parametrize(
    ("which", "text"), [("distance", "non-negative distances, found 1"), ("weight", "non-negative weights")]
)
def test_bad_numbers_are_refused(which, text):
    _, pairs, distance = measured(5)
    weight = np.ones(len(distance))
    (distance if which == "distance" else weight)[0] = np.nan if which == "distance" else -1.0
    with pytest.raises(InputError, match=text):
        solve_layout(5, pairs, distance, weight, start=np.eye(5, 2))


def test_a_graph_in_two_parts_is_refused():
    with pytest.raises(InputError, match="a connected graph, found 2 nodes without a path"):
        isomap_start(4, np.array([[0, 2], [1, 3]]), np.ones(2))


def test_landmark_scaling_is_exact_in_the_plane():
    pos = np.random.default_rng(0).standard_normal((50, 2))
    distance = np.linalg.norm(pos[:, None] - pos[None], axis=-1)
    found = landmark_mds(np.arange(7), distance[:7])
    assert np.allclose(np.linalg.norm(found[:, None] - found[None], axis=-1), distance)


def test_landmarks_are_far_apart_with_the_lengths_of_the_paths():
    from scipy.sparse import csr_array

    n = 30
    step = np.random.default_rng(0).random(n - 1) + 0.1
    link = np.arange(n - 1)
    graph = csr_array((step, (link, link + 1)), shape=(n, n))
    along = np.concatenate([[0], np.cumsum(step)])
    found = landmark_paths((graph + graph.T).tocsr(), 3)
    first = n - 1  # node 0 is at the other end
    second = int(np.argmax(np.abs(along - along[first])))
    third = int(np.argmax(np.minimum(np.abs(along - along[first]), np.abs(along - along[second]))))
    assert found.landmarks.tolist() == [first, second, third]
    assert np.allclose(found.distance, np.abs(along[None] - along[found.landmarks, None]))


def test_a_given_huber_threshold_acts_on_the_residual_itself():
    rng = np.random.default_rng(3)
    _, pairs, distance = measured(14, share=0.8, error=0.3)
    weight = rng.random(len(distance)) + 0.1
    weight /= weight.mean()
    start = isomap_start(14, pairs, distance)
    found = solve_layout(14, pairs, distance, weight, start, iterations=400, anchor=1e-2, huber=0.1)

    def objective(flat):
        pos, total, degree = flat.reshape(-1, 2), 0.0, np.zeros(14)
        for (i, j), d, w in zip(pairs.T, distance, weight, strict=True):
            r = abs(np.linalg.norm(pos[i] - pos[j]) - d)
            total += w * (r**2 / 2 if r <= 0.1 else 0.1 * (r - 0.05))
            degree[[i, j]] += w
        return total + 1e-2 / 2 * (degree * ((pos - start) ** 2).sum(axis=1)).sum()

    assert found.threshold == 0.1
    assert (found.residual > 0.1).any()
    assert np.isclose(objective(found.pos.ravel()), found.history[-1])
    assert (np.diff(found.history) <= 1e-12).all()
    reference = minimize(objective, found.pos.ravel(), method="BFGS", options={"gtol": 1e-6, "maxiter": 200})
    assert found.history[-1] <= reference.fun * (1 + 1e-3)


def test_a_fading_anchor_lets_go_of_the_start():
    _, pairs, distance = measured(30, error=0.0)
    start = isomap_start(30, pairs, distance) + np.random.default_rng(0).normal(size=(30, 2))
    kept, fading, free = (
        solve_layout(30, pairs, distance, None, start, 60, anchor=0.5, anchor_fade=fade).residual.max()
        for fade in (1.0, 0.8, 1e-9)
    )
    assert fading < 0.1 * kept
    assert free < 0.1 * kept


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"anchor": -5.0}, "expected an anchor of at least 0, found -5"),
        ({"anchor_fade": 3.0}, r"expected anchor_fade in \(0, 1\], found 3"),
        ({"anchor_fade": 0.0}, r"expected anchor_fade in \(0, 1\], found 0"),
        ({"huber": 0.0}, "expected a huber above 0, found 0"),
    ],
)
def test_a_choice_out_of_its_range_is_refused(change: dict[str, float], text: str) -> None:
    pairs = np.array([[0, 0, 1], [1, 2, 2]])
    with pytest.raises(InputError, match=text):
        solve_layout(3, pairs, np.ones(3), **change)

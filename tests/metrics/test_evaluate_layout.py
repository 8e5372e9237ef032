from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_gears.errors import InputError
from pyg_gears.metrics import (
    BETTER,
    calibration_error,
    distance_agreement,
    edge_agreement,
    energy,
    energy_agreement,
    evaluate_layout,
    local_error,
    local_rmse,
    neighborhood_agreement,
    published_scores,
)


def _layouts(n: int = 120, noise: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    truth = generator.random((n, 2))
    return truth + noise * generator.normal(size=(n, 2)), truth


@settings(max_examples=8, deadline=None)
@given(angle=st.floats(0, 6.3), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100), mirror=st.sampled_from([1, -1]))
def test_invariant_under_similarity_of_either_side(angle: float, scale: float, shift: float, mirror: int) -> None:
    pos, truth = _layouts(60)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) @ np.diag([1.0, mirror])
    before = evaluate_layout(pos, truth)
    for after in (
        evaluate_layout(scale * pos @ turn + shift, truth),
        evaluate_layout(pos, scale * truth @ turn + shift),
    ):
        # Turned coordinates give other directions to the sliced distance: equal to its own accuracy.
        assert after["swd"] == pytest.approx(before["swd"], abs=5e-3)
        assert {k: v for k, v in after.items() if k != "swd"} == pytest.approx(
            {k: v for k, v in before.items() if k != "swd"}, abs=1e-6
        )


@pytest.mark.parametrize("n", [10, 120, 2100])
def test_perfect_layout_is_ideal(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "MINISETS", 2)
    _, truth = _layouts(n)
    found = evaluate_layout(-3 * truth[:, ::-1] + 1, truth)
    for key, better in BETTER.items():
        if better:
            assert found[key] == pytest.approx(1.0 if better == "up" else 0.0, abs=1e-6), key


def test_order_of_cells_changes_nothing() -> None:
    pos, truth = _layouts()
    order = np.random.default_rng(1).permutation(len(pos))
    before, after = evaluate_layout(pos, truth), evaluate_layout(pos[order], truth[order])
    for key in before:
        # The stress edges start their landmarks at the first cell.
        tolerance = 0.05 if key in ("e_geo", "l_stress") else 1e-9
        assert after[key] == pytest.approx(before[key], abs=tolerance), key


def test_more_noise_is_worse_in_every_metric() -> None:
    truth = np.random.default_rng(0).random((400, 2))
    noise = np.random.default_rng(1).normal(size=truth.shape)
    good, bad = (evaluate_layout(truth + size * noise, truth) for size in (0.05, 0.5))
    for key, better in BETTER.items():
        if better:
            assert (good[key] > bad[key]) == (better == "up"), key


def test_tensors_and_arrays_agree() -> None:
    pos, truth = _layouts()
    tensors = evaluate_layout(torch.from_numpy(pos).requires_grad_(), torch.from_numpy(truth))
    assert tensors == evaluate_layout(pos, truth)
    assert list(tensors) == list(BETTER)
    assert all(type(value) is float for value in tensors.values())


@pytest.mark.parametrize(
    ("pos", "truth", "text"),
    [
        (np.zeros((9, 3)), np.ones((9, 2)), r"expected predicted positions of shape \(n, 2\), found \(9, 3\)"),
        (np.zeros((9, 2)), np.ones(9), r"expected true positions of shape \(n, 2\)"),
        (np.zeros((9, 2)), np.ones((8, 2)), "same cells, found 9 predicted and 8 true"),
        (np.full((9, 2), np.inf), np.ones((9, 2)), "finite predicted positions, found 9 cells"),
        (np.zeros((4, 2)), np.ones((4, 2)), "at least 6 cells, found 4"),
        (np.zeros((9, 2)), np.ones((9, 2)), "found all of them at one point"),
    ],
)
def test_bad_input_is_one_sentence(pos: np.ndarray, truth: np.ndarray, text: str) -> None:
    with pytest.raises(InputError, match=text):
        evaluate_layout(pos, truth)


SEEDED = (
    distance_agreement,
    edge_agreement,
    neighborhood_agreement,
    calibration_error,
    local_rmse,
    local_error,
    energy_agreement,
    published_scores,
    evaluate_layout,
)


@pytest.mark.parametrize("metric", SEEDED)
def test_what_is_no_seed_is_one_sentence_whether_or_not_it_is_needed(metric) -> None:
    with pytest.raises(InputError, match="expected a seed of a whole number of at least 0, found -1; give another"):
        metric(*_layouts(30), seed=-1)


@pytest.mark.parametrize("rows", [[[0.0, 1.0], [2.0]], np.full((9, 2), "a"), np.full((9, 2), None), np.array(3.0)])
def test_what_is_no_table_of_numbers_is_one_sentence(rows) -> None:
    for pair in ((rows, np.ones((9, 2))), (np.ones((9, 2)), rows)):
        with pytest.raises(InputError, match=r"expected (predicted|true) positions as a table of numbers"):
            evaluate_layout(*pair)


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor, np.ndarray.tolist])
def test_cells_without_a_place_are_left_out_and_counted(convert) -> None:
    pos, truth = _layouts(60)
    placed = np.ones(60, dtype=bool)
    placed[[0, 31]] = False
    pos[~placed] = np.nan
    with pytest.warns(UserWarning, match=r"2 of 60 cells have no place \(NaN\): they are left out"):
        found = evaluate_layout(convert(pos), convert(truth))
    assert found == pytest.approx(evaluate_layout(pos[placed], truth[placed]), nan_ok=True)


def test_half_a_place_or_none_at_all_is_refused() -> None:
    pos, truth = _layouts(60)
    pos[3, 0] = np.nan
    with pytest.raises(InputError, match="expected finite predicted positions, found 1 cells"):
        evaluate_layout(pos, truth)
    with (
        pytest.warns(UserWarning, match="60 of 60 cells"),
        pytest.raises(InputError, match="at least 6 cells, found 0"),
    ):
        evaluate_layout(np.full((60, 2), np.nan), truth)


def test_a_tensor_in_half_precision_is_its_values() -> None:
    pos, truth = (torch.from_numpy(layout).bfloat16() for layout in _layouts(60))
    assert evaluate_layout(pos, truth) == evaluate_layout(pos.double(), truth.double())

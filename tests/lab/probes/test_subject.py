from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from pyg_gears.lab.probe import Requirement
from pyg_gears.lab.probes.figure_parts import pooled
from pyg_gears.lab.probes.subject import OnSlide, mean_record, member_table, slide_requirements

R, H = 3, 2


class Item(NamedTuple):
    count: int
    score: float
    parts: dict[str, float]
    good: bool


ONE, TWO = Item(4, 0.5, {"a": 1.0}, True), Item(4, 0.7, {"a": 2.0}, False)


def test_the_mean_keeps_the_record() -> None:
    mean = mean_record([ONE, TWO])
    assert mean == Item(4, pytest.approx(0.6), {"a": 1.5}, False)
    assert OnSlide("s", "held out", (ONE, ONE)).mean() == ONE


def test_a_column_per_slide_with_the_deviation_of_members() -> None:
    found = (OnSlide("left", "held out", (ONE, TWO)), OnSlide("right", "held out", (ONE, ONE)))
    table = member_table(found, lambda item: {"score": item.score, "undefined": float("nan")})
    assert table.loc["score"].tolist() == ["0.600 +- 0.100", "0.500 +- 0.000"]
    assert table.loc["undefined"].tolist() == ["--", "--"]
    single = member_table((OnSlide("left", "held out", (ONE,)),), lambda item: {"score": item.score})
    assert single.loc["score", "left"] == "0.500"


def test_requirements_name_their_slide() -> None:
    def checks(slide: OnSlide[Item]) -> list[Requirement]:
        return [Requirement("score", slide.mean().score, 0.5, "at least")]

    found = (OnSlide("left", "held out", (ONE, TWO)), OnSlide("right", "seen in training", (ONE,)))
    assert [(one.subject, one.value) for one in slide_requirements(checks)(found)] == [
        ("left (held out)", pytest.approx(0.6)),
        ("right (seen in training)", 0.5),
    ]


def test_pooling_is_the_mean_and_deviation_of_everything_pooled() -> None:
    rng = np.random.default_rng(0)
    # minisets, recycles, heads; two members
    samples = [rng.normal(size=(40, R, H)) + member for member in (0, 5)]
    curve = pooled([s.mean(axis=0) for s in samples], [s.std(axis=0) for s in samples])
    together = np.concatenate([s.transpose(1, 0, 2).reshape(R, -1) for s in samples], axis=1)
    np.testing.assert_allclose(curve.mean, together.mean(axis=1))
    np.testing.assert_allclose(curve.spread, together.std(axis=1))
    assert curve.each.shape == (4, R)
    np.testing.assert_allclose(curve.each[1], samples[0].mean(axis=0)[:, 1])
    flat = pooled([np.array([1.0, 2.0])], [np.array([0.5, 0.25])])
    assert flat.mean.tolist() == [1.0, 2.0]
    assert flat.spread.tolist() == [0.5, 0.25]


def test_pooling_leaves_out_what_is_undefined() -> None:
    curve = pooled([np.array([[1.0, np.nan], [np.nan, np.nan]])], [np.full((2, 2), 0.5)])
    assert curve.mean[0] == 1.0
    assert curve.spread[0] == 0.5
    assert np.isnan(curve.mean[1])

from __future__ import annotations

import math
from statistics import stdev

import pytest

from pyg_gears.lab.experiments.summary import summarise


def rows(experiment, records) -> dict:
    return {(row.variant, row.fold): row for row in summarise(experiment, records)}


def test_means_and_deviations_by_hand(experiment, records) -> None:
    found = rows(experiment, records)
    assert list(found) == [(v, f) for f in (None, "a", "b") for v in ("as is", "k 10", "noise")]
    first = found["as is", None]
    assert (first.runs, first.failed) == (4, 0)
    assert first.mean["h_gate"] == pytest.approx(1.65)
    assert first.std["h_gate"] == pytest.approx(stdev([1.0, 1.2, 2.0, 2.4]))
    # Variances 0.02 (fold a) and 0.08 (fold b).
    assert first.seed_std["h_gate"] == pytest.approx(math.sqrt(0.05))
    assert found["as is", "b"].mean["h_gate"] == pytest.approx(2.2)
    assert found["k 10", None].seed_std["h_gate"] == pytest.approx(math.sqrt(0.08))


def test_differences_pair_fold_and_seed(experiment, records) -> None:
    gap = rows(experiment, records)["k 10", None].difference
    # -0.1, +0.1, -0.3: the run that has no partner is left out.
    assert (gap["h_gate"].pairs, gap["h_gate"].wins) == (3, 2)
    assert gap["h_gate"].mean == pytest.approx(-0.1)
    assert gap["h_gate"].error == pytest.approx(0.2 / math.sqrt(3))
    assert gap["t_edge"].wins == 0
    # Of the precision more is better.
    assert gap["precision"].wins == 2
    assert gap["precision"].mean == pytest.approx((0.1 + 0.1 - 0.1) / 3)


def test_a_run_that_diverged_is_counted_and_has_no_numbers(experiment, records) -> None:
    found = rows(experiment, records)
    row = found["noise", None]
    assert (row.runs, row.failed, row.mean["h_gate"]) == (2, 1, 3.0)
    assert math.isnan(row.std["h_gate"])
    assert row.difference["h_gate"].pairs == 1
    assert math.isnan(row.difference["h_gate"].error)
    assert found["noise", "a"].mean == {}
    assert math.isnan(found["noise", "a"].difference["h_gate"].mean)

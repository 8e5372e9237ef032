"""A few trials of each kind, seeded; ``python -m tests.campaign`` makes more."""

from __future__ import annotations

import pytest

from tests.campaign import kills, recipes


def test_random_recipes_are_accepted_whole_or_refused_in_one_sentence() -> None:
    failures = [found for seed in range(120) if (found := recipes.attempt(seed)) is not None]
    assert failures == []
    assert recipes.describe(0).startswith("LayoutSettings with ")


@pytest.mark.parametrize(
    "seed", [9, 110, pytest.param(3, marks=pytest.mark.slow), pytest.param(101, marks=pytest.mark.slow)]
)
def test_a_run_that_is_stopped_goes_on_to_the_same_bytes(seed) -> None:
    assert kills.attempt(seed) is None


def test_the_trials_notice_what_is_left_or_differs(monkeypatch) -> None:
    expected = kills.bench().expected
    monkeypatch.setitem(expected, "l.h5ad", b"other")
    assert "content differs in ['l.h5ad']" in str(kills.attempt(106))
    monkeypatch.setitem(expected, "other.h5ad", b"")
    assert "files differ: ['other.h5ad']" in str(kills.attempt(106))
    monkeypatch.setattr(recipes, "build_model", lambda *_, **__: 1 / 0)
    assert any("ZeroDivisionError" in str(recipes.attempt(seed)) for seed in range(30))

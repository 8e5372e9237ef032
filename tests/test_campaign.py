"""The first cases of the campaign; ``python -m tests.campaign`` goes on for longer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "campaign"


@pytest.fixture(scope="module")
def calls():
    spec = importlib.util.spec_from_file_location("campaign_calls", FOLDER / "calls.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.slow
def test_random_calls_give_a_right_result_or_one_sentence(calls) -> None:
    failed = [found for seed in range(1000, 1040) if (found := calls.attempt(seed))]
    assert not failed, "\n".join(failed)


def test_the_cases_are_many_and_some_must_succeed(calls) -> None:
    drawn = [calls.draw(seed) for seed in range(1000, 1040)]
    assert len({calls.describe(seed) for seed in range(1000, 1040)}) > 35
    assert sum(case.good for case in drawn) >= 3
    assert {case.call for case in drawn} == {"fit", "fit with cells", "reconstruct"}


def test_a_call_that_does_wrong_is_told(calls, monkeypatch) -> None:
    good = next(seed for seed in range(1000, 1100) if calls.draw(seed).good and calls.draw(seed).call == "reconstruct")
    assert calls.attempt(good) is None

    def broken(*_: object, **__: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(type(calls.model()), "reconstruct", broken)
    assert "KeyError" in calls.attempt(good)

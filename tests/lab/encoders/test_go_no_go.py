from __future__ import annotations

from types import SimpleNamespace

import pytest

from pyg_gears.lab.encoders import go_no_go
from pyg_gears.lab.encoders.go_no_go import gates
from pyg_gears.lab.encoders.published_limits import LIMITS
from pyg_gears.lab.encoders.subject import Scored
from pyg_gears.lab.probe import NotMeasurable, Requirement
from pyg_gears.lab.report import measure_probes

GOOD = {"probe": 0.4, "overlap": 0.672, "norm_ratio": 1.038, "std_min": 0.574, "domain": 0.442}
"""The published encoder's figures."""


def test_the_published_figures_are_a_go_and_every_limit_can_stop_it() -> None:
    assert gates(GOOD).go
    assert gates(GOOD).passed == dict.fromkeys(LIMITS, True)
    for key, worse in {"probe": 0.51, "overlap": 0.64, "norm_ratio": 1.2, "std_min": 0.001, "domain": 0.6}.items():
        found = gates(GOOD | {key: worse})
        assert not found.go
        assert [name for name, passed in found.passed.items() if not passed] == [key]
    assert not gates(GOOD | {"probe": float("nan")}).go


def test_what_was_not_measured_does_not_decide() -> None:
    found = gates({key: value for key, value in GOOD.items() if key != "domain"})
    assert found.go
    assert found.passed["domain"] is None
    assert found.figures["domain"] is None


def records(unseen: dict | None) -> dict:
    def of(*keys: str) -> SimpleNamespace:
        part = None if unseen is None else {key: unseen[key] for key in keys} | {"other": 9.0}
        summary = {"fitted": {key: GOOD[key] for key in keys}, "held_out": part}
        return SimpleNamespace(chance=1 / 3, embeddings={"e": Scored(None, (), summary, False)})

    gap = SimpleNamespace(
        fitted={"before": {"probe": 0.99}, "after": {"probe": GOOD["domain"]}},
        held_out=None if unseen is None else {"before": {"probe": 0.99}, "after": {"probe": unseen["domain"]}},
    )
    return {
        "slide_probe": of("probe"),
        "tissue_kept": of("overlap"),
        "embedding_shape": of("norm_ratio", "std_min"),
        "cells_and_spots": {"e": gap},
    }


def test_figures_come_from_the_other_probes() -> None:
    unseen = GOOD | {"overlap": 0.25, "domain": 0.7}
    found = go_no_go.PROBE.measure(records(unseen))
    assert found.embeddings["e"]["fitted"].figures == GOOD
    assert found.embeddings["e"]["held_out"].figures == unseen
    table = next(iter(go_no_go.PROBE.tables(found).values()))
    assert table.loc[("e", "fitted"), "verdict"] == "go"
    assert table.loc[("e", "held out"), "verdict"] == "no-go: overlap@20, domain probe"
    nothing = go_no_go.PROBE.measure(records(None))
    assert nothing.embeddings["e"]["held_out"] is None
    table = next(iter(go_no_go.PROBE.tables(nothing).values()))
    assert table.loc[("e", "held out"), "verdict"] == "--"


def test_a_probe_that_was_not_asked_for_leaves_a_note() -> None:
    some = {name: one for name, one in records(GOOD).items() if name != "tissue_kept"}
    with pytest.raises(NotMeasurable, match="found no tissue_kept; ask for it too"):
        go_no_go.PROBE.measure(some)
    (note,) = measure_probes([go_no_go.PROBE], some).notes
    assert note.startswith("go_no_go was left out: expected the probes slide_probe, tissue_kept, embedding_shape")


def test_limits_are_requirements_for_comparison_with_the_source() -> None:
    assert LIMITS["probe"].requirement(0.4, "model") == Requirement(
        "slide probe", 0.4, 0.50, "at most", "published: liver, the encoder has seen all slides", "model"
    )

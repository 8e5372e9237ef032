from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from pyg_gears.lab.probe import PUBLISHED, NotMeasurable, Probe, Requirement
from pyg_gears.lab.report import measure_probes, report_text, write_report

pytest.importorskip("matplotlib")


class Pair(NamedTuple):
    small: float
    values: np.ndarray


def draw(record: Pair, figure: Any) -> None:
    figure.subplots().plot(record.values)


def refuse(subject: Any) -> Any:
    raise NotMeasurable("expected a gate, found none; probe a gated model.")


def checks(record: Pair) -> list[Requirement]:
    return [
        Requirement("small", record.small, 0.1, "at most", subject="slide a"),
        Requirement("small", record.small, 0.5, "at least", PUBLISHED, subject="slide a", note="told"),
        Requirement("unknown", None, 0.5, "at least", subject="slide a"),
    ]


PAIR = Probe(
    "pair",
    lambda subject: Pair(subject, np.array([1.0, np.nan])),
    lambda record: {"A pair": pd.DataFrame({"value": [record.small, None], "text": ["x", "y"]}, index=["one", "two"])},
    draw,
    checks,
)
GATED = Probe("gated", refuse, lambda record: {})
BARE = Probe("bare", lambda subject: {"n": 3}, lambda record: {}, numbers=lambda record: {"n": record["n"] + 1})


def test_one_folder_with_numbers_tables_and_figures(tmp_path) -> None:
    measured = measure_probes((PAIR, GATED, BARE), 0.25)
    report = write_report(
        tmp_path / "out", {"seed": 3}, ["head"], measured, lambda folder: (folder / "more").write_text("x") and None
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("report.json", "report.txt", "pair.png", "pair.svg", "more")
    }
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert report["seed"] == 3
    assert report["probes"] == {"pair": {"small": 0.25, "values": [1.0, None]}, "bare": {"n": 4}}
    assert report["notes"] == ["gated was left out: expected a gate, found none; probe a gated model."]
    assert [check["passed"] for check in report["requirements"]] == [False, False, None]
    text = (tmp_path / "out" / "report.txt").read_text()
    assert text == report_text(["head"], measured)
    assert text.startswith("head\ngated was left out: ")
    rows = [line.split() for line in text.splitlines()]
    assert ["one", "0.250", "x"] in rows
    assert ["two", "--", "y"] in rows


def test_published_limits_stand_apart_from_the_verdicts() -> None:
    text = report_text([], measure_probes((PAIR,), 0.25))
    title = "slide a. For comparison, limits published: liver, the encoder has seen all slides\n"
    verdicts, comparison = text.split(title)
    assert "slide a. Verdicts, relative to the truth's own figures and to simple rivals" in verdicts
    rows = [line.split() for line in verdicts.splitlines()]
    assert ["small", "FAILED", "0.250", "at", "most", "0.1"] in rows
    assert ["unknown", "not", "measured", "--", "at", "least", "0.5"] in rows
    assert ["small", "FAILED", "0.250", "at", "least", "0.5", "told"] in [
        line.split() for line in comparison.splitlines()
    ]


@pytest.mark.parametrize(
    ("value", "direction", "passed"),
    [
        (0.5, "at most", True),
        (0.5, "at least", True),
        (0.51, "at most", False),
        (0.49, "at least", False),
        (float("nan"), "at most", False),
        (float("nan"), "at least", False),
        (None, "at least", None),
    ],
)
def test_limits_at_their_edges(value, direction, passed) -> None:
    assert Requirement("x", value, 0.5, direction).passed is passed


def test_nothing_is_left_of_a_report_that_fails(tmp_path) -> None:
    def fail(record: Pair, figure: Any) -> None:
        raise RuntimeError("no figure today")

    broken = Probe("broken", PAIR.measure, PAIR.tables, fail)
    with pytest.raises(RuntimeError, match="no figure today"):
        write_report(tmp_path / "out", {}, [], measure_probes((broken,), 1.0))
    assert not list(tmp_path.iterdir())

from __future__ import annotations

import json
import math
import re
from statistics import stdev

import pandas as pd
import pytest

from pyg_gears.lab.experiments.table import format_table, judge, summarise, write_results


def rows(experiment, records) -> dict:
    return {(row["variant"], row["protocol"], row["fold"]): row for _, row in summarise(experiment, records).iterrows()}


def both_protocols(records) -> list:
    """Under the transductive protocol every energy is 0.1 lower."""
    seen = [
        one.change({"protocol": "transductive", "numbers": {**one.numbers, "h_gate": one.numbers["h_gate"] - 0.1}})
        for one in records
        if one.failed is None
    ]
    return [*records, *seen]


def test_means_and_deviations_by_hand(experiment, records) -> None:
    found = rows(experiment, records)
    assert list(found) == [
        (variant, "inductive", fold) for fold in ("all", "a", "b") for variant in ("as is", "k 10", "noise")
    ]
    first = found["as is", "inductive", "all"]
    assert (first["runs"], first["diverged"]) == (4, 0)
    assert first["h_gate"] == pytest.approx(1.65)
    assert first["h_gate std"] == pytest.approx(stdev([1.0, 1.2, 2.0, 2.4]))
    # Variances 0.02 (fold a) and 0.08 (fold b).
    assert first["h_gate seed std"] == pytest.approx(math.sqrt(0.05))
    assert found["as is", "inductive", "b"]["h_gate"] == pytest.approx(2.2)
    assert found["k 10", "inductive", "all"]["h_gate seed std"] == pytest.approx(math.sqrt(0.08))


def test_differences_pair_protocol_fold_and_seed(experiment, records) -> None:
    for protocol in ("inductive", "transductive"):
        row = rows(experiment, both_protocols(records))["k 10", protocol, "all"]
        # -0.1, +0.1, -0.3: the run that has no partner is left out.
        assert (row["h_gate pairs"], row["h_gate wins"]) == (3, 2)
        assert row["h_gate difference"] == pytest.approx(-0.1)
        assert row["h_gate error"] == pytest.approx(0.2 / math.sqrt(3))
        assert row["t_edge wins"] == 0
        # Of the precision more is better.
        assert row["precision wins"] == 2
        assert row["precision difference"] == pytest.approx((0.1 + 0.1 - 0.1) / 3)


def test_variants_with_a_protocol_of_their_own_are_compared_across_protocols(experiment, records) -> None:
    seen, plain = both_protocols(records)[9:13], records[:4]
    own = experiment.change(
        {
            "variants": [{"label": "as is", "protocol": "inductive"}, {"label": "k 10", "protocol": "transductive"}],
        }
    )
    records = [*plain, *(one.change({"variant": "k 10"}) for one in seen)]
    row = rows(own, records)["k 10", "transductive", "all"]
    assert (row["h_gate pairs"], row["h_gate difference"]) == (4, pytest.approx(-0.1))
    (verdict, _) = judge(own, records)
    assert (verdict.protocol, verdict.outcome) == ("both", "passed")


def test_a_run_that_diverged_is_counted_and_has_no_numbers(experiment, records) -> None:
    found = rows(experiment, records)
    row = found["noise", "inductive", "all"]
    assert (row["runs"], row["diverged"], row["h_gate"]) == (2, 1, 3.0)
    assert math.isnan(row["h_gate std"])
    assert row["h_gate pairs"] == 1
    assert math.isnan(row["h_gate error"])
    assert math.isnan(found["noise", "inductive", "a"]["h_gate"])
    assert math.isnan(found["noise", "inductive", "a"]["h_gate difference"])


def test_criteria_are_judged_protocol_by_protocol(experiment, records) -> None:
    assert [(v.protocol, v.outcome) for v in judge(experiment, records)] == [
        *(("inductive", "passed"), ("inductive", "not measured"))
    ]
    assert [(v.protocol, v.outcome) for v in judge(experiment, both_protocols(records))] == [
        *(("inductive", "passed"), ("inductive", "not measured")),
        *(("transductive", "passed"), ("transductive", "passed")),
    ]


def test_text_shows_verdicts_and_numbers(experiment, records) -> None:
    text = format_table(experiment, records)
    assert "tiny-grid: Does the grid run?" in text
    assert "9 runs; inductive; held out: a, b; seeds 0, 1" in text
    assert "passed: fewer candidates lower the energy (inductive; plan, T1)\n" in text
    assert "h_gate, k 10 minus as is, <= -0.05: -0.100 (seeds 0.141), passed\n" in text
    assert "not measured: the energy is low (needs transductive runs; plan, T2)\n" in text
    line = next(line for line in text.splitlines() if line.startswith("as is"))
    assert line.split()[:8] == ["as", "is", "inductive", "4", "0", "2.0", "1.650", "+-"]
    assert "-0.100 +- 0.115 (2 of 3)" in text
    assert "1.100 | 0.500" in text
    assert max(map(len, text.splitlines())) < 150
    both = format_table(experiment, both_protocols(records))
    assert "17 runs; inductive and transductive; held out" in both
    assert len(re.findall("^as is +transductive ", both, re.M)) == 2


def test_published_figures_stand_beside_the_measured(experiment, records) -> None:
    figures = [{"metric": "h_gate", "variant": "as is", "value": 0.44, "std": 0.014}]
    text = format_table(experiment.change({"published": {"source": "mouse liver", "figures": figures}}), records)
    block = text[text.index("Published figures (mouse liver)") :].splitlines()
    assert block[2].split() == ["as", "is", "h_gate", "0.44", "0.014"]


def test_files_hold_every_fold_every_run_and_the_verdicts(experiment, records, tmp_path) -> None:
    assert write_results(experiment, records, tmp_path) == (tmp_path / "table.txt").read_text()
    table = pd.read_csv(tmp_path / "table.csv")
    assert list(table["fold"][:3]) == ["all"] * 3
    assert table["h_gate difference"][1] == pytest.approx(-0.1)
    runs = pd.read_csv(tmp_path / "runs.csv")
    assert list(runs["h_gate"][:4]) == [1.0, 1.2, 2.0, 2.4]
    assert runs["failed"][7] == "training diverged: nan"
    results = json.loads((tmp_path / "results.json").read_text())
    assert [verdict["outcome"] for verdict in results["verdicts"]] == ["passed", "not measured"]
    assert results["verdicts"][0]["measured"][0]["value"] == pytest.approx(-0.1)
    assert results["variants"][0]["h_gate"] == pytest.approx(1.65)
    assert results["variants"][2]["h_gate std"] is None
    assert results["experiment"]["criteria"][1]["protocol"] == "transductive"


def test_evaluations_are_a_block_each(experiment, records) -> None:
    evaluated = [
        one.change({"numbers": {**one.numbers, "recycle-energies: initial": one.numbers["h_gate"] + 1}})
        for one in records[:4]
    ]
    text = format_table(experiment, evaluated + records[4:])
    block = text[text.index("\nrecycle-energies") :].strip().splitlines()
    assert block[1].split() == ["as", "is", "(in)", "k", "10", "(in)", "noise", "(in)"]
    assert block[2].split() == ["initial", "2.650", "+-", "0.661", "--", "--"]

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from pyg_gears.lab.experiments.table import format_table, write_tables


def test_text_shows_the_numbers(experiment, records) -> None:
    text = format_table(experiment, records)
    assert "tiny-grid: Does the grid run?" in text
    assert "9 runs; held out: a, b; seeds 0, 1" in text
    line = next(line for line in text.splitlines() if line.startswith("as is"))
    assert line.split()[:7] == ["as", "is", "4", "2.0", "1.650", "+-", "0.661"]
    assert "-0.100 +- 0.115 (2 of 3)" in text
    assert "1 diverged" in text
    assert "1.100 | 0.500" in text
    assert max(map(len, text.splitlines())) < 150


def test_csv_holds_every_fold_and_every_run(experiment, records, tmp_path) -> None:
    assert write_tables(experiment, records, tmp_path) == (tmp_path / "table.txt").read_text()
    table = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [(row["variant"], row["fold"]) for row in table[:3]] == [("as is", "all"), ("k 10", "all"), ("noise", "all")]
    assert float(table[1]["h_gate_difference"]) == pytest.approx(-0.1)
    assert float(table[0]["h_gate_mean"]) == pytest.approx(1.65)
    assert table[2]["h_gate_std"] == ""
    runs = list(csv.DictReader((tmp_path / "runs.csv").read_text().splitlines()))
    assert [float(run["h_gate"] or "nan") for run in runs[:4]] == [1.0, 1.2, 2.0, 2.4]
    assert runs[7]["failed"] == "training diverged: nan"


def test_evaluations_are_a_block_each(experiment, records) -> None:
    evaluated = [replace(r, evaluations={"recycle-energies": {"initial": r.values["h_gate"] + 1}}) for r in records[:4]]
    text = format_table(experiment, evaluated)
    block = text[text.index("\nrecycle-energies") :].strip().splitlines()
    assert block[0].split() == ["recycle-energies", "as", "is", "k", "10", "noise"]
    assert block[1].split() == ["initial", "2.650", "+-", "0.661", "--", "--"]

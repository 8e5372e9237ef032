from __future__ import annotations

import math

import pytest

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import RunRecord
from pyg_gears.lab.experiments.run_record import run_table


def test_a_record_comes_back_from_its_file(tmp_path, records) -> None:
    for one in (records[0], records[7]):
        one.write(tmp_path / "deep" / "record.json")
        assert RunRecord.load(tmp_path / "deep" / "record.json") == one


def test_a_table_has_a_row_per_run(records) -> None:
    table = run_table(records)
    assert list(table["h_gate"][:2]) == [1.0, 1.2]
    assert math.isnan(table["h_gate"][7])
    assert list(table["diverged"]) == [0.0] * 7 + [1.0, 0.0]
    assert list(run_table([]).columns) == ["variant", "protocol", "fold", "seed", "failed", "diverged"]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InputError, match="found 'folds'"):
        RunRecord(variant="x", protocol="inductive", folds="a", fold="a", seed=0)

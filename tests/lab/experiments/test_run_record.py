from __future__ import annotations

from pyg_gears.lab.experiments import RunRecord


def test_a_record_is_read_as_it_was_written(tmp_path) -> None:
    record = RunRecord(
        "k 10", "slide_1", 3, {"h_gate": 0.5, "seconds": None}, {"gap": {"oracle": 0.25, "cost": float("nan")}}
    )
    path = tmp_path / "deep" / "seed_3.json"
    record.write(path)
    read = RunRecord.read(path)
    assert (read.variant, read.fold, read.seed, read.failed) == ("k 10", "slide_1", 3, None)
    assert read.values == {"h_gate": 0.5, "seconds": None}
    assert read.evaluations == {"gap": {"oracle": 0.25, "cost": None}}
    assert read.numbers() == {"h_gate": 0.5, "gap: oracle": 0.25}
    assert [file.name for file in path.parent.iterdir()] == ["seed_3.json"]

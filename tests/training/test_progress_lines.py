from __future__ import annotations

import sys

from pyg_gears.training.structure_training import train_structure


def test_a_log_gets_a_line_per_epoch_and_no_bar(tiny_recipe, datasets, tmp_path, capsys) -> None:
    train_structure(tiny_recipe, *datasets, seed=0, folder=tmp_path / "member_0", progress=True)
    found = capsys.readouterr()
    assert found.out == ""
    lines = found.err.splitlines()
    assert lines[0] == "pretraining: 3 steps"
    assert [line.split(",")[0] for line in lines[1:]] == [
        f"structure model member_0: epoch {epoch} of 3" for epoch in (1, 2, 3)
    ]
    assert all(", h_gate " in line for line in lines[1:])


def test_a_training_that_stops_early_says_so(tiny_recipe, datasets, tmp_path, capsys) -> None:
    hopeless = {"epochs": 9, "patience": 1, "ramp_epochs": 0.0, "lr": 1e-12, "min_lr": 0.0, "pretraining": None}
    train_structure(tiny_recipe.change({"training": hopeless}), *datasets, seed=0, folder=tmp_path / "member_0")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) < 10
    assert lines[-1] == (
        f"structure model member_0: stopped after epoch {len(lines) - 1} of 9, as validation no longer improved"
    )


def test_a_process_without_stderr_trains_without_a_word(tiny_recipe, datasets, tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    train_structure(tiny_recipe, *datasets, seed=0, folder=tmp_path / "member_0", progress=True)
    assert capsys.readouterr() == ("", "")

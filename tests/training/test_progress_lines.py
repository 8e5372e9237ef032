from __future__ import annotations

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

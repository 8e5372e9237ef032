from __future__ import annotations

import pytest

from pyg_gears.cli import main
from pyg_gears.data import write_simulation
from pyg_gears.training.structure_module import TrainingDiverged


def test_a_training_that_diverges_is_one_sentence(tmp_path, monkeypatch, capsys) -> None:
    def diverge(*_: object, **__: object) -> None:
        raise TrainingDiverged("training diverged: the validation energy is nan; lower training.lr")

    monkeypatch.setattr("pyg_gears.gears.Gears.fit", diverge)
    slides = [str(path) for path in write_simulation(tmp_path, slides=2, cells=5, spots=40)[:2]]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *slides, "--out", str(tmp_path / "m")])
    assert stop.value.code == 2
    assert "expected a training that converges, found that training diverged: the validation energy is nan; lower" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "m").exists()

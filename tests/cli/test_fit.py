from __future__ import annotations

import pytest

from pyg_gears.cli import main
from pyg_gears.data import write_simulation
from pyg_gears.training.structure_module import TrainingDiverged
from tests.campaign.kills import contents
from tests.cli.test_full_disk import FIELDS, run


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


def test_a_fit_that_is_stopped_after_its_model_was_written_is_finished_by_resume(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("plotly", reason="the page of a model needs plotly")
    slides = write_simulation(tmp_path, slides=2, cells=5, spots=40)[:2]
    out = tmp_path / "m"
    call = ["fit", *slides, "--out", out, *(word for field in FIELDS.split() for word in ("--set", field))]

    def stop(folder: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pyg_gears.cli.fit.shutil.rmtree", stop)
        assert run(*call) == 130
    assert "run the same command again with --resume" in capsys.readouterr().err
    model = (out / "model.pt").read_bytes()
    assert run(*call) == 2
    assert run(*call, "--resume") == 0
    assert sorted(contents(out)) == ["fit_report.html", "model.pt", "recipe.yaml", "training_0.csv"]
    assert (out / "model.pt").read_bytes() == model
    assert run(*call, "--resume") == 2

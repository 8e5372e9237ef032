from __future__ import annotations

import codecs
import warnings

import anndata
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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", "expected 'key: value' lines in r.yaml, found nothing; correct"),
        (b"- a", "expected 'key: value' lines in r.yaml, found list; correct"),
        (
            b"training:\n\tepochs: 1\n",
            "expected YAML in r.yaml, found character '\\t' that cannot start any token in line 2;",
        ),
        (b"\xff\xfe", "expected YAML in r.yaml, found text that is not UTF-8"),
    ],
)
def test_a_recipe_file_that_cannot_be_read_is_told_where(tmp_path, monkeypatch, capsys, text, found) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yaml").write_bytes(text)
    assert run("fit", "a.h5ad", "--config", "r.yaml", "--out", "m") == 2
    assert found in capsys.readouterr().err


def test_a_recipe_file_may_begin_with_a_byte_order_mark(tmp_path, capsys) -> None:
    (tmp_path / "r.yaml").write_bytes(codecs.BOM_UTF8 + b"nosuch: 1\n")
    assert run("fit", "a.h5ad", "--config", tmp_path / "r.yaml", "--out", tmp_path / "m") == 2
    assert "found 'nosuch'" in capsys.readouterr().err


class Stopped(Exception):
    """The fit itself is not asked for."""


def test_what_was_understood_is_said_before_the_work(tmp_path, monkeypatch, capsys) -> None:
    def stop(*_: object, **__: object) -> None:
        raise Stopped

    monkeypatch.setattr("pyg_gears.gears.Gears.fit", stop)
    paths = write_simulation(tmp_path, slides=2, cells=5, spots=40)
    names = anndata.read_h5ad(paths[0]).n_vars
    files = [str(path) for path in paths[:2]]
    for words, said in (
        ((), f"fit on slide_0 (40 spots), slide_1 (40 spots), a block of each held out; {names} genes that all have;"),
        (("--validate", "slide_1"), f"fit on slide_0 (40 spots), slide_1 (40 spots, held out); {names} genes"),
        (("--cells", str(paths[2])), f"; 5 cells; {names} genes that all have; preset standard"),
    ):
        assert run("fit", *files, *words, "--out", tmp_path / "m") == 1
        assert said in capsys.readouterr().err
    monkeypatch.setattr("pyg_gears.data.cell_draw.FIT_CELLS", 3)
    assert run("fit", *files, "--cells", paths[2], "--out", tmp_path / "m") == 1
    assert "; 3 of 5 cells; " in capsys.readouterr().err
    assert run("fit", files[0], "--out", tmp_path / "m") == 1
    assert "fit on slide_0 (40 spots), a block of it held out; " in capsys.readouterr().err


def test_genes_under_other_names_are_told_the_renaming_also_with_cells(tmp_path, capsys) -> None:
    paths = write_simulation(tmp_path, slides=2, cells=5, spots=40)
    cells = anndata.read_h5ad(paths[2])
    cells.var_names = cells.var_names.str.upper() if cells.var_names[0].islower() else cells.var_names.str.lower()
    cells.write_h5ad(tmp_path / "other.h5ad")
    assert run("fit", *paths[:2], "--cells", tmp_path / "other.h5ad", "--out", tmp_path / "m") == 2
    assert "would be shared if case did not count" in capsys.readouterr().err


def test_a_warning_is_said_once_in_a_command(tmp_path, monkeypatch, capsys) -> None:
    def warn(*_: object, **__: object) -> None:
        for _ in range(2):
            with warnings.catch_warnings():  # what makes Python forget what it has said
                warnings.simplefilter("always")
                warnings.warn("something odd", UserWarning, stacklevel=1)

    monkeypatch.setattr("pyg_gears.data.write_simulation", warn)
    for _ in range(2):
        assert run("simulate", "--out", tmp_path / "s") == 0
        assert capsys.readouterr().err == "pyg-gears: warning: something odd\n"

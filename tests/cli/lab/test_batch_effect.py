from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from pyg_gears.cli.fit import fit
from pyg_gears.cli.lab.batch_effect import batch_effect
from pyg_gears.data import read_slide, write_simulation
from pyg_gears.errors import InputError


def run(*arguments: object) -> None:
    batch_effect.main([str(a) for a in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return write_simulation(tmp_path_factory.mktemp("files"), tissue="layers", slides=3, cells=40, seed=0, spots=45)


@pytest.mark.slow
def test_slides_in_folder_and_table_out(files, tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "report"
    sets = tmp_path / "sets.gmt"
    sets.write_text("some\tof the first\t" + "\t".join(read_slide(files[0]).genes[:4]) + "\n")
    run(*files[:3], "--held-out", "slide_0", "slide_2", "--gene-sets", sets, "--out", out)
    printed = capsys.readouterr().out
    assert (out / "report.txt").read_text() in printed
    assert "slide_0, slide_2 left out" in printed
    report = json.loads((out / "report.json").read_text())
    assert report["folds"] == [["slide_0", "slide_2"]]
    assert report["probes"]["tissue_kept"]["embeddings"]["spatial-20"]["folds"][0]["judged"] == ["slide_0", "slide_2"]
    assert len(report["probes"]["programmes"]["programmes"][0]["genes"]) == 4
    assert list(out.glob("*.png"))


def test_slides_may_be_folders_named_like_themselves(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "c"):
        Path(name).mkdir()
    asked = []

    class Enough(Exception):
        pass

    def spy(paths, *_, held_out, **__):
        asked.append((paths, held_out))
        raise Enough

    monkeypatch.setattr(importlib.import_module("pyg_gears.lab.encoders.batch_effect"), "check_batch_effect", spy)
    for words in (["a", "b", "first=c", "d.h5ad", "--held-out", "b", "first", "d"], ["a", "b", "--held-out", "c", "b"]):
        with pytest.raises(Enough):
            run(*words, "--out", "out")
    assert asked == [(("a", "b", "first=c", "d.h5ad"), ("b", "first", "d")), (("a", "b"), ("c", "b"))]


def test_bad_input(files, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match="expected two or more slides, found 1"):
        run(files[0], "--out", tmp_path / "r")
    sets = tmp_path / "sets.csv"
    with pytest.raises(InputError, match=r"expected gene sets in a \.gmt or \.json file, found sets\.csv"):
        run(*files[:2], "--gene-sets", sets, "--out", tmp_path / "r")
    with pytest.raises(InputError, match="expected a model folder at"):
        run(*files[:2], "--model", tmp_path / "none", "--out", tmp_path / "r")
    with pytest.raises(InputError, match="expected held_out to name one of the slides slide_0, slide_1, found 'x'"):
        run(*files[:2], "--held-out", "x", "--out", tmp_path / "r")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("final_epochs", "seen"), [(0, {"slide_0"}), (1, {"slide_0", "slide_1"})])
def test_a_fitted_model_is_one_more_row(files, tmp_path, monkeypatch, final_epochs: int, seen: set[str]) -> None:
    pytest.importorskip("matplotlib")
    model, out, called = tmp_path / "model", tmp_path / "report", {}
    fields = [
        "embedding.kind=spatial",
        "embedding.components=4",
        "embedding.genes=80",
        "minisets.count=4",
        "minisets.min_size=15",
    ]
    fields += ["minisets.max_size=20", "graph.k=8", "training.members=1", "model.hidden_channels=8", "model.heads=2"]
    fields += ["model.head_channels=4", "model.recycles=1", "training.epochs=1", "training.pretraining.steps=1"]
    fields += ["training.validation=2", "training.node_budget=60", f"training.final_epochs={final_epochs}"]
    settings = [part for field in fields for part in ("--set", field)]
    fit.main([*map(str, files[:2]), "--validate", "slide_1", "--out", str(model), *settings], standalone_mode=False)

    def spy(slides, out, cells, **options) -> None:
        called.update(options)
        out.mkdir()
        (out / "report.txt").write_text("table")

    monkeypatch.setattr(importlib.import_module("pyg_gears.lab.encoders.batch_effect"), "batch_effect", spy)
    run(*files[:3], "--model", model, "--learned", "--out", out)
    assert called["learned"]
    (row,) = called["fitted"]
    assert row.name == "model"
    assert row.encoder.out_channels == 4
    assert row.seen == seen

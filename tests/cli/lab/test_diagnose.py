from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from pyg_gears import FittedGears, load
from pyg_gears.cli.fit import fit
from pyg_gears.cli.lab.diagnose import diagnose
from pyg_gears.data import write_simulation
from pyg_gears.errors import InputError
from pyg_gears.lab.probes import diagnosis

TINY = {
    "embedding": {"kind": "spatial", "components": 4, "genes": 80},
    "minisets": {"count": 4, "min_size": 20, "max_size": 24},
    "graph": {"k": 8},
    "model": {"hidden_channels": 8, "heads": 2, "head_channels": 4, "recycles": 2, "gate": {"channels": 8}},
    "training": {
        "members": 1,
        "epochs": 1,
        "final_epochs": 1,
        "pretraining": {"steps": 1},
        "validation": 2,
        "node_budget": 60,
    },
}


def run(*arguments: object) -> None:
    diagnose.main([str(a) for a in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return write_simulation(tmp_path_factory.mktemp("files"), tissue="layers", slides=3, cells=40, seed=0, spots=45)


@pytest.fixture(scope="module")
def model(files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    config = folder.with_name("recipe.yaml")
    config.write_text(json.dumps(TINY))
    arguments = [*map(str, files[:2]), "--validate", "slide_1", "--config", str(config), "--out", str(folder)]
    fit.main(arguments, standalone_mode=False)
    return folder


def test_model_and_slides_in_folder_and_tables_out(files, model, tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "report"
    run(model, files[2], "--out", out, "--minisets", 1, "--seed", 1)
    assert (out / "report.txt").read_text() in capsys.readouterr().out
    report = json.loads((out / "report.json").read_text())
    assert (report["minisets"], report["seed"], report["members"]) == (1, 1, 1)
    assert [(slide["name"], slide["status"]) for slide in report["slides"]] == [("slide_2", "held out")]
    assert len(list(out.glob("*.png"))) == 8  # no slide of the training, so that no rival is drawn
    assert "name them among the slides or with --reference" in report["notes"][0]
    assert len(list((out / "maps").glob("*.png"))) == 6


@pytest.mark.parametrize(
    ("is_block", "kept_out", "seen"),
    [(False, True, {"slide_0"}), (True, True, {"slide_0", "slide_1"}), (False, False, {"slide_0", "slide_1"})],
)
def test_what_training_has_seen_reaches_the_report(
    files, model, tmp_path, monkeypatch, is_block, kept_out, seen
) -> None:
    pytest.importorskip("matplotlib")
    called: dict[str, Any] = {}

    def loaded(folder: Path) -> FittedGears:
        fitted = load(folder)
        joined = not kept_out
        changed = {"held_out_is_block": is_block, "held_out_joined": joined, "trained_on_all": joined}
        return dataclasses.replace(fitted, report={**fitted.report, **changed})

    def spy(members, encoder, recipe, slides, out, **options) -> None:
        called.update(options, members=members, encoder=encoder, recipe=recipe)
        out.mkdir()
        (out / "report.txt").write_text("table")

    monkeypatch.setattr("pyg_gears.load", loaded)
    monkeypatch.setattr(diagnosis, "diagnose", spy)
    run(model, *files[:3], "--out", tmp_path / "report")
    assert called["seen"] == seen
    assert called["validated"] == {"slide_1"} - seen
    assert (called["minisets"], called["seed"]) == (50, 0)
    assert len(called["members"]) == 1
    assert called["encoder"].out_channels == 4
    assert called["candidates"].k == called["recipe"].graph.k == 8


def test_bad_input(files, model, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(InputError, match="expected a model folder at"):
        run(tmp_path / "none", files[0], "--out", tmp_path / "r")
    with pytest.raises(InputError, match="expected slides with different names"):
        run(model, files[0], files[0], "--out", tmp_path / "r")
    assert not list(tmp_path.iterdir())

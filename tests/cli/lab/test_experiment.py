from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pyg_gears.cli.fit import fit
from pyg_gears.cli.lab.experiment import experiment, read_seeds
from pyg_gears.cli.lab.models import models
from pyg_gears.data import write_simulation
from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import CATALOGUE, runner
from pyg_gears.training.presets import PRESETS
from pyg_gears.training.recipe import Recipe

FIELDS = [
    *("embedding.kind=spatial", "embedding.components=4", "minisets.count=2", "minisets.min_size=30", "graph.k=10"),
    *(
        "minisets.max_size=32",
        "model.hidden_channels=8",
        "model.heads=2",
        "model.head_channels=4",
        "training.ramp_epochs=0",
    ),
    *("training.epochs=1", "training.pretraining.steps=1", "training.validation=2", "embedding.cross_fit=false"),
]


def run(*arguments: object) -> None:
    experiment.main([str(a) for a in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return write_simulation(tmp_path_factory.mktemp("files"), tissue="layers", slides=2, cells=30, seed=0, spots=60)[:2]


def test_slides_in_table_and_figure_out(files, tmp_path, capsys) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    settings = [part for field in FIELDS for part in ("--set", field)]
    run("recycles", *files, "--out", out, "--seeds", 1, "--folds", "slide_1", *settings)
    printed = capsys.readouterr().out
    assert (out / "table.txt").read_text() in printed
    assert "4 runs; inductive; held out: slide_1; seeds 0" in printed
    assert "not measured: five recycles" not in printed
    assert any(f"{outcome}: five recycles are better" in printed for outcome in ("passed", "failed"))
    assert (out / "figure.png").exists()
    verdicts = json.loads((out / "results.json").read_text())["verdicts"]
    assert {verdict["outcome"] for verdict in verdicts} <= {"passed", "failed"}


def test_the_protocol_is_an_option(files, tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(runner, "run_experiment", lambda *a, **k: asked.append(k["protocols"]) or 1 / 0)
    for option in ((), ("--protocol", "transductive"), ("--protocol", "both")):
        with pytest.raises(ZeroDivisionError):
            run("recycles", *files, "--out", tmp_path / "out", *option)
    assert asked == [["inductive"], ["transductive"], ["inductive", "transductive"]]


def test_slides_are_kept_back_by_an_option(files, tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(runner, "run_experiment", lambda *a, **k: asked.append(k["unseen"]) or 1 / 0)
    for option in ((), ("--unseen", f"kept={files[1]}")):
        with pytest.raises(ZeroDivisionError):
            run("recycles", files[0], "--out", tmp_path / "out", *option)
    assert [[slide.name for slide in slides] for slides in asked] == [[], ["kept"]]


def test_the_list_needs_no_slides(capsys) -> None:
    run("--list")
    printed = capsys.readouterr().out
    assert all(f"{name}\n  {found.question}\n" in printed for name, found in CATALOGUE.items())


def test_every_preset_can_be_asked_for(files, tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(runner, "run_experiment", lambda *a, **k: asked.append(k["recipe"]) or 1 / 0)
    for name in PRESETS:
        with pytest.raises(ZeroDivisionError):
            run("seed-stability", *files, "--out", tmp_path / "out", "--preset", name)
    assert asked == [Recipe.preset(name) for name in PRESETS]


@pytest.mark.parametrize("command", [experiment, fit, models], ids=lambda command: command.name)
def test_the_help_lists_every_preset(command) -> None:
    shown = CliRunner().invoke(command, ["--help"], terminal_width=200, catch_exceptions=False).output
    assert f"--preset [{'|'.join(PRESETS)}]" in shown


def test_seeds_are_a_number_or_a_list() -> None:
    assert read_seeds(None) is None
    assert read_seeds("3") == [0, 1, 2]
    assert read_seeds("0,5") == [0, 5]
    for text in ("a", "0", "1;2", "-1", "", "1,,2"):
        with pytest.raises(InputError, match="expected --seeds like 3"):
            read_seeds(text)


def test_bad_calls_are_refused_before_slides_are_read(files, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(runner, "_run_tasks", lambda *a: 1 / 0)
    out = ("--out", tmp_path / "out")
    for message, *arguments in (
        ("expected the name of an experiment, found none", *out),
        ("found 'recicles' \\(did you mean 'recycles'", "recicles", *files, *out),
        ("expected --out DIR, found none", "recycles", *files),
        ("expected a field of graph, found 'graph.kk'", "recycles", *files, *out, "--set", "graph.kk=3"),
        ("expected fields that recycles does not set", "recycles", *files, *out, "--set", "model.recycles=3"),
        ("model recycles keeps, found published_small", "recycles", *files, *out, "--preset", "published_small"),
        ("expected a preset among .*did you mean 'quick'", "recycles", *files, *out, "--preset", "quik"),
        ("expected --seeds like 3", "recycles", *files, *out, "--seeds", "x"),
        ("expected at least one slide, found none", "recycles", *out),
        ("expected two or more slides, found 1", "recycles", files[0], *out),
        ("expected folds to name slides among", "recycles", *files, *out, "--folds", "slide_7"),
        ("expected folds that are named once, found none", "recycles", *files, *out, "--folds", ","),
        ("nowhere.h5ad", "recycles", tmp_path / "nowhere.h5ad", *out),
    ):
        with pytest.raises(InputError, match=message):
            run(*arguments)
    assert not (tmp_path / "out").exists()

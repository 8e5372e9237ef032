"""Two processes of one launcher against one process: shared results, a whole fit, a layout."""

from __future__ import annotations

import csv
import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml

from pyg_gears import Gears, Recipe
from pyg_gears.cli import main
from pyg_gears.data import write_simulation
from pyg_gears.errors import InputError
from pyg_gears.layout import LayoutSettings, PatchesOutput, PatchPredictor
from pyg_gears.models import CoordinateMLP
from pyg_gears.ranks import (
    Launch,
    OtherProcessFailed,
    Ranks,
    _slurm_address,
    by_first,
    current_ranks,
    deal,
    find_launch,
    join_ranks,
)
from pyg_gears.transforms import CandidateGraph
from tests.two_processes import in_two_processes

TINY = {
    "embedding": {"kind": "spatial", "components": 5},
    "minisets": {"count": 9, "min_size": 20, "max_size": 40},
    "graph": {"k": 10},
    "model": {
        "recycles": 2,
        "hidden_channels": 8,
        "heads": 2,
        "head_channels": 4,
        "dropout": 0.1,
        "gate": {"channels": 8, "update_every": 2, "trust": 0.1},
    },
    "training": {
        "members": 1,
        "epochs": 2,
        "final_epochs": 1,
        "pretraining": {"steps": 4, "evaluate_every": 2},
        "validation": 5,
        "node_budget": 60,
        "devices": 2,
    },
}
LAYOUT = ["--patch-size", "24", "--samples", "2", "--set", "shard_patches=2", "--device", "cpu"]


class Ended(NamedTuple):
    code: Any
    said: str
    printed: str


def command(*words: str) -> Ended:
    """The command line in this process."""
    said, printed = io.StringIO(), io.StringIO()
    with redirect_stderr(said), redirect_stdout(printed), pytest.raises(SystemExit) as stop:
        main(list(words))
    return Ended(stop.value.code, said.getvalue(), printed.getvalue())


def commands(*calls: list[str]) -> list[Ended]:
    return [command(*words) for words in calls]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_simulation(folder, slides=2, cells=60, spots=60)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(TINY))
    return folder


@pytest.fixture(scope="module")
def one(files) -> Path:
    """The model of one process, which takes both batches of a step itself."""
    slides = [files / "slide_0.h5ad", files / "slide_1.h5ad"]
    work = files / "work"
    Gears(Recipe().change(TINY)).fit(slides, work_dir=work, progress=False, device="cpu").save(files / "one")
    return files / "one"


@pytest.fixture(scope="module")
def two(files, one) -> list[list[Ended]]:
    """A fit, a refused fit and a layout by two processes."""
    slides = [str(files / "slide_0.h5ad"), str(files / "slide_1.h5ad"), "--device", "cpu"]
    (files / "shared").mkdir()
    return in_two_processes(
        commands,
        ["fit", *slides, "--out", str(files / "two"), "--config", str(files / "recipe.yaml")],
        ["fit", *slides, "--out", str(files / "three")],
        ["fit", str(files / "none.h5ad"), "--out", str(files / "four"), "--set", "training.devices=2"],
        ["reconstruct", str(one), str(files / "cells.h5ad"), "--out", str(files / "shared" / "layout.h5ad"), *LAYOUT],
        launcher="srun",
    )


def shared() -> dict[str, Any]:
    """All that processes tell each other."""
    found: dict[str, Any] = {"before": current_ranks(), "met": join_ranks(cuda=False)}
    number = found["met"].number
    found["first"] = by_first(lambda: (number, current_ranks()))
    found["dealt"] = list(deal([lambda task=task: (task, number) for task in range(5)]))
    for name, call in (
        ("failed", lambda: by_first(lambda: 1 / 0)),
        ("dealt failed", lambda: list(deal([lambda: 1, lambda: 1 / 0]))),
        ("unlike", lambda: predict(seed=number)),
    ):
        with pytest.raises((ZeroDivisionError, OtherProcessFailed, InputError)) as error:
            call()
        found[name] = repr(error.value)
    found["alike"] = predict(seed=0)
    return found


def predict(seed: int) -> np.ndarray:
    torch.manual_seed(0)
    patches = PatchesOutput(np.tile(np.arange(10), 3), np.array([0, 10, 20, 30]), np.zeros(3, dtype=bool), 10)
    settings = LayoutSettings(samples=2, shard_patches=1)
    x = torch.arange(20.0).reshape(10, 2) % 7
    return PatchPredictor([CoordinateMLP(2)], CandidateGraph(4, "euclidean"), settings, seed).predict(x, patches).pos


def test_processes_share_results_and_failures() -> None:
    first, second = in_two_processes(shared)
    assert [first["before"], second["before"]] == [Ranks(), Ranks()]
    assert [first["met"], second["met"]] == [Ranks(0, 2), Ranks(1, 2)]
    # What the first one does alone, it does as one process of one.
    assert first["first"] == second["first"] == (0, Ranks())
    assert first["dealt"] == second["dealt"] == [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)]
    assert first["failed"] == second["dealt failed"] == "ZeroDivisionError('division by zero')"
    assert second["failed"] == f'OtherProcessFailed("process 0 of this run failed: {first["failed"]}")'
    assert first["dealt failed"].startswith('OtherProcessFailed("process 1 of this run failed: ZeroDivisionError')
    for found in (first, second):
        assert "expected the same models, cells and settings in every process of this run" in found["unlike"]
        np.testing.assert_array_equal(found["alike"], predict(seed=0))


def test_a_fit_by_two_processes_is_that_of_one(files, one, two) -> None:
    (ended, _, _, _), (other, _, _, _) = two
    assert (ended.code, other.code) == (0, 0), ended.said + other.said
    assert ended.printed.startswith(f"wrote {files / 'two'}: ")
    assert "structure model member_0: epoch 2 of 2" in ended.said
    assert (other.printed, other.said) == ("", "")
    assert not (files / "two" / "work").exists()
    a, b = (torch.load(folder / "model.pt", weights_only=True) for folder in (one, files / "two"))
    assert a["recipe"] == b["recipe"]
    for name, weight in a["members"][0].items():
        torch.testing.assert_close(b["members"][0][name], weight, rtol=0, atol=1e-5)
    assert b["report"]["h_gate"] == pytest.approx(a["report"]["h_gate"], abs=1e-5)
    logs = [
        list(csv.DictReader(path.read_text().splitlines()))
        for path in (files / "work" / "member_0" / "log.csv", files / "two" / "training_0.csv")
    ]
    assert [set(row) for row in logs[0]] == [set(row) for row in logs[1]]
    for mine, theirs in zip(*logs, strict=True):
        for name, value in mine.items():
            assert float(theirs[name] or 0) == pytest.approx(float(value or 0), abs=1e-4), name


def test_a_step_of_two_batches_is_another_training_than_one_of_one(files, one, tmp_path) -> None:
    slides = [files / "slide_0.h5ad", files / "slide_1.h5ad"]
    recipe = Recipe().change(TINY).change({"training": {"devices": 1}})
    single = Gears(recipe).fit(slides, work_dir=tmp_path, progress=False, device="cpu").members[0]
    double = torch.load(one / "model.pt", weights_only=True)["members"][0]
    assert float((single.state_dict()["embed_pos.0.weight"] - double["embed_pos.0.weight"]).abs().max()) > 1e-3


def test_processes_that_do_not_divide_a_step_are_refused(files, two) -> None:
    sentence = (
        "expected training.devices to be a multiple of the 2 processes of this run, found 1; set it to 2, and divide "
        "training.node_budget by 2 if steps are to see as many nodes."
    )
    for number, prefix in ((0, "pyg-gears"), (1, "pyg-gears (process 1)")):
        assert two[number][1].code == 2
        assert two[number][1].said == f"{prefix}: {sentence}\n"
    assert not (files / "three").exists()


def test_what_the_first_process_refuses_is_said_once(files, two) -> None:
    assert [ended[2].code for ended in two] == [2, 1]
    assert two[0][2].said.startswith("pyg-gears: expected ")
    assert "none.h5ad" in two[0][2].said
    assert two[1][2].said == ""


@pytest.fixture(scope="module")
def layout(files, one) -> bytes:
    """The layout by one process; files of the same name, since that stands in them."""
    (files / "single").mkdir()
    out = files / "single" / "layout.h5ad"
    assert command("reconstruct", str(one), str(files / "cells.h5ad"), "--out", str(out), *LAYOUT).code == 0
    return out.read_bytes()


def test_a_layout_by_two_processes_has_the_bytes_of_one(files, two, layout) -> None:
    assert [ended[3].code for ended in two] == [0, 0], two[0][3].said + two[1][3].said
    assert two[0][3].printed.startswith("wrote ")
    assert (two[1][3].printed, two[1][3].said) == ("", "")
    assert (files / "shared" / "layout.h5ad").read_bytes() == layout
    assert [path.name for path in (files / "shared").iterdir()] == ["layout.h5ad"]


def test_a_layout_by_dask_has_the_bytes_of_one(files, one, layout, monkeypatch) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is the extra dask")
    (files / "dask").mkdir()
    out, shards = files / "dask" / "layout.h5ad", []
    real = PatchPredictor.predict_some
    monkeypatch.setattr(PatchPredictor, "predict_some", lambda *words: shards.append(words[4:]) or real(*words))
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        words = ["--out", str(out), *LAYOUT, "--dask", cluster.scheduler_address]
        assert command("reconstruct", str(one), str(files / "cells.h5ad"), *words).code == 0
    assert len(shards) > 1
    assert all(len(words) == 1 for words in shards)  # as tasks send them, with the number of their first patch
    assert out.read_bytes() == layout


def test_launchers_are_told_apart() -> None:
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    srun = {"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "2", "SLURM_NTASKS": "8"}
    assert find_launch(torchrun) == Launch(3, 4, 1)
    assert find_launch(srun) == Launch(5, 8, 2)
    assert find_launch(torchrun | srun) == Launch(3, 4, 1)  # torchrun on the machines of a job
    assert find_launch({}) is None
    assert find_launch({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}) is None  # a batch script without srun
    assert find_launch({"RANK": "0", "WORLD_SIZE": "1"}) is None


def test_processes_of_a_job_meet_on_its_first_machine() -> None:
    variables = {"SLURM_STEP_NODELIST": "gpu[07,09-12],big3", "SLURM_JOB_ID": "4711234"}
    assert _slurm_address(variables) == "gpu07:16234"
    assert _slurm_address(variables | {"MASTER_ADDR": "here", "MASTER_PORT": "29500"}) == "here:29500"


@pytest.mark.parametrize(("number", "count"), [("4", "4"), ("one", "2"), ("0", "")])
def test_numbers_that_no_launcher_gives_are_refused(number: str, count: str) -> None:
    with pytest.raises(InputError, match="expected a process's number in RANK below their number in WORLD_SIZE, found"):
        find_launch({"RANK": number, "WORLD_SIZE": count})


def test_one_process_is_left_alone() -> None:
    assert join_ranks(cuda=False) == current_ranks() == Ranks(0, 1)
    assert by_first(lambda: 7) == 7
    assert list(deal([lambda: 1, lambda: 2])) == [1, 2]

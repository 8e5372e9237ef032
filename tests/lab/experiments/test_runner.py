from __future__ import annotations

import json
import os
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import Experiment, run_experiment, runner, train_run
from pyg_gears.training import structure_training
from pyg_gears.training.structure_module import StructureModule, TrainingDiverged

pytest.importorskip("matplotlib")


class Killed(Exception):
    pass


def numbers(output) -> dict:
    """All numbers but the time."""
    return {
        (r.variant, r.protocol, r.fold, r.seed): {name: value for name, value in r.numbers.items() if name != "seconds"}
        for r in output.records
    }


def first_variant(experiment) -> Experiment:
    return experiment.change({"variants": [experiment.variants[0].as_dict()], "criteria": []})


@pytest.fixture(scope="module")
def finished(experiment, recipe, slides, tmp_path_factory):
    out = tmp_path_factory.mktemp("grid") / "out"
    return run_experiment(experiment, slides, out, recipe=recipe, seeds=[0, 1], progress=False)


def test_a_grid_is_variants_times_folds_times_seeds(finished, experiment, slides) -> None:
    grid = [(v.label, "inductive", s.name, seed) for v in experiment.variants for s in slides for seed in (0, 1)]
    assert list(numbers(finished)) == grid
    for record in finished.records:
        found = record.numbers
        assert found["recycle-energies: recycle 3"] == pytest.approx(found["h_gate"], abs=1e-5)
        assert 0 <= found["precision"] <= 1
        assert 0 <= found["healthy"] <= 1
        assert found["best_epoch"] in (1, 2)
        assert found["seconds"] > 0
        assert found["parameters"] > 100
    values = numbers(finished)
    assert values["as is", "inductive", "slide_0", 0]["h_gate"] != values["as is", "inductive", "slide_0", 1]["h_gate"]
    assert (
        values["as is", "inductive", "slide_0", 0]["candidate_recall"]
        > values["k 10", "inductive", "slide_0", 0]["candidate_recall"]
    )
    assert (
        values["as is", "inductive", "slide_0", 0]["candidate_recall"]
        > values["noise", "inductive", "slide_0", 0]["candidate_recall"]
    )


def test_the_folder_holds_results_and_no_work(finished) -> None:
    out = finished.folder
    assert sorted(file.name for file in out.iterdir()) == [
        *("figure.png", "figure.svg", "results.json", "run", "runs", "runs.csv", "table.csv", "table.txt")
    ]
    assert (out / "table.txt").read_text() == finished.table
    assert "12 runs; inductive; held out: slide_0, slide_1; seeds 0, 1" in finished.table
    record = json.loads((out / "runs" / "k_10" / "inductive" / "slide_1" / "seed_1.json").read_text())
    assert (record["variant"], record["fold"], record["seed"], record["failed"]) == ("k 10", "slide_1", 1, None)
    assert (out / "runs" / "k_10" / "inductive" / "slide_1" / "seed_1.csv").read_text().startswith("epoch,")


def test_finished_runs_are_not_run_again_and_more_may_be_asked_for(
    finished, experiment, recipe, slides, monkeypatch
) -> None:
    monkeypatch.setattr(train_run, "train_structure", lambda *a, **k: 1 / 0)
    monkeypatch.setattr(runner, "prepare_folds", lambda *a, **k: 1 / 0)
    again = run_experiment(experiment, slides, finished.folder, recipe=recipe, seeds=[1], progress=False)
    assert numbers(again) == {key: value for key, value in numbers(finished).items() if key[3] == 1}
    with pytest.raises(ZeroDivisionError):
        run_experiment(experiment, slides, finished.folder, recipe=recipe, seeds=[2], progress=False)


def test_a_killed_grid_goes_on_where_it_stood(finished, experiment, recipe, slides, out, monkeypatch) -> None:
    step, calls = StructureModule.training_step, []
    options = {"recipe": recipe, "seeds": [0, 1], "progress": False}

    def die(self, batch, index):
        # The third run, in its second epoch.
        if self.current_epoch == 1 and len(calls) == 3:
            raise Killed
        return step(self, batch, index)

    train = train_run.train_structure

    def count(*arguments, **options):
        calls.append(options["folder"])
        return train(*arguments, **options)

    monkeypatch.setattr(train_run, "train_structure", count)
    with monkeypatch.context() as patch:
        patch.setattr(StructureModule, "training_step", die)
        with pytest.raises(Killed):
            run_experiment(experiment, slides, out, folds=["slide_0"], **options)
    assert len(calls) == 3
    assert len(list((out / "runs").rglob("*.json"))) == 2
    assert "2 runs; inductive" in (out / "table.txt").read_text()
    interrupted = calls[-1]
    assert (interrupted / "last.ckpt").exists()
    epochs, pretrained = [], []
    with monkeypatch.context() as patch:
        start = StructureModule.on_train_epoch_start
        patch.setattr(
            StructureModule,
            "on_train_epoch_start",
            lambda self: (epochs.append((len(calls), self.current_epoch)), start(self))[1],
        )
        pretrain = structure_training.pretrain
        patch.setattr(
            structure_training, "pretrain", lambda *a, **k: (pretrained.append(len(calls)), pretrain(*a, **k))[1]
        )
        resumed = run_experiment(experiment, slides, out, folds=["slide_0"], **options)
    assert calls.count(interrupted) == 2
    assert len(calls) == 3 + 4
    # The interrupted run repeats neither its pretraining nor its first epoch.
    number = 1 + calls[3:].index(interrupted) + 3
    assert [epoch for call, epoch in epochs if call == number] == [1]
    assert len(pretrained) == 3
    assert number not in pretrained
    assert numbers(resumed) == {key: value for key, value in numbers(finished).items() if key[2] == "slide_0"}
    redone = next(r for r in resumed.records if "seconds" not in r.numbers)
    assert (
        out / "work" / "runs" / redone.variant.replace(" ", "_") / "inductive" / redone.fold / f"seed_{redone.seed}"
        == interrupted
    )
    assert not (out / "work").exists()


def test_two_processes_give_the_numbers_of_one(finished, experiment, recipe, slides, out) -> None:
    options = {"recipe": recipe, "seeds": [0, 1], "folds": ["slide_1"], "progress": False}
    both = run_experiment(first_variant(experiment), slides, out, processes=2, **options)
    expected = numbers(finished)
    assert numbers(both) == {key: expected[key] for key in numbers(both)}
    assert len(both.records) == 2


def test_both_protocols_are_run_and_labelled(finished, experiment, recipe, slides, out) -> None:
    options = {"recipe": recipe, "seeds": [0], "folds": ["slide_1"], "progress": False}
    first = run_experiment(first_variant(experiment), slides, out, **options)
    both = run_experiment(first_variant(experiment), slides, out, protocols=["inductive", "transductive"], **options)
    assert list(numbers(both)) == [("as is", protocol, "slide_1", 0) for protocol in ("inductive", "transductive")]
    inductive, transductive = numbers(both).values()
    assert inductive == numbers(first)["as is", "inductive", "slide_1", 0]
    assert inductive["h_gate"] != transductive["h_gate"]
    assert re.search("^as is +transductive +1 ", both.table, re.M)
    assert (out / "runs" / "as_is" / "transductive" / "slide_1" / "seed_0.json").exists()


def state(number: int) -> tuple[int, int]:
    return number, torch.get_num_threads()


def fail(number: int) -> None:
    raise ValueError(f"no luck {number}")


def linger(folder: Path, seconds: float) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(seconds)


def leave(number: int) -> None:
    os._exit(number)


def test_calls_have_one_thread_wherever_they_run_and_a_stop_ends_their_processes(tmp_path) -> None:
    before = torch.get_num_threads()
    for processes in (1, 2):
        assert sorted(runner._side_by_side(state, [(3,), (4,)], processes)) == [(3, 1), (4, 1)]
        with pytest.raises(ValueError, match="no luck 5"):
            list(runner._side_by_side(fail, [(5,)], processes))
    assert torch.get_num_threads() == before

    def stop() -> None:
        for _ in runner._side_by_side(linger, [(tmp_path, 0.1), (tmp_path, 600), (tmp_path, 600)], 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    begun = [int(file.name) for file in tmp_path.iterdir()]
    assert begun
    for process in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_a_process_that_is_ended_from_outside_is_told() -> None:
    with pytest.raises(RuntimeError, match="a process of the experiment was ended from outside"):
        list(runner._side_by_side(leave, [(9,)], 2))


def test_a_training_that_diverges_is_a_result(experiment, recipe, slides, out, monkeypatch) -> None:
    def diverge(self):
        raise TrainingDiverged("training diverged: nan")

    monkeypatch.setattr(StructureModule, "on_validation_epoch_end", diverge)
    output = run_experiment(
        first_variant(experiment),
        slides,
        out,
        recipe=recipe,
        seeds=[0],
        folds=["slide_1"],
        progress=False,
    )
    (record,) = output.records
    assert record.failed == "training diverged: nan"
    assert record.numbers == {}
    assert re.search("^as is +inductive +1 +1 +-- ", output.table, re.M)


def test_what_a_model_lacks_is_not_measured(recipe, slides, out) -> None:
    grid = Experiment(
        name="without-attention",
        question="Does it run?",
        variants=[{"label": "egnn", "changes": {"model": {"kind": "gate_egnn", "steps": 2, "hidden_channels": 8}}}],
        measure=["intervention-step-size", "attention", "recycle-energies"],
        criteria=[
            {
                "claim": "attention is healthy",
                "source": "plan, F6",
                "all": [{"metric": "attention: lowest recall", "variant": "egnn", "value": ">= 0.4"}],
            }
        ],
    )
    output = run_experiment(grid, slides, out, recipe=recipe, seeds=[0], folds=["slide_1"], progress=False)
    (numbers,) = (record.numbers for record in output.records)
    assert numbers["recycle-energies: recycle 2"] == pytest.approx(numbers["h_gate"], abs=1e-5)
    assert not [name for name in numbers if name.startswith(("intervention", "attention"))]
    assert [verdict.outcome for verdict in output.verdicts] == ["not measured"]


def test_another_grid_is_refused_in_the_same_folder(finished, experiment, recipe, slides, tmp_path) -> None:
    out = finished.folder
    for other, base, used in (
        (experiment.change({"name": "other"}), recipe, slides),
        (experiment, recipe.change({"training": {"lr": 1e-3}}), slides),
        (experiment, recipe, [slides[0], replace(slides[1], pos=slides[1].pos + 1)]),
    ):
        with pytest.raises(InputError, match="expected the recipe, slides and cells of the run begun in"):
            run_experiment(other, used, out, recipe=base, progress=False)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="expected a new folder or one of this experiment for out"):
        run_experiment(experiment, slides, tmp_path, recipe=recipe, progress=False)
    # Wording is no other experiment.
    reworded = experiment.change({"question": "Does it still run?", "criteria": []})
    assert run_experiment(reworded, slides, out, recipe=recipe, seeds=[0], progress=False).records


def test_what_cannot_be_run_is_refused_before_any_work(experiment, recipe, slides, out) -> None:
    def refused(message: str, *, chosen=experiment, used=slides, **options) -> None:
        with pytest.raises(InputError, match=message):
            run_experiment(chosen, used, out, recipe=recipe, progress=False, **options)
        assert not out.exists()

    refused("expected two or more slides, found 1", used=slides[:1])
    refused(r"expected folds to name slides among slide_0, slide_1, found 'slide1' \(did you", folds=["slide1"])
    refused("expected folds that are named once, found none", folds=[])
    refused("expected folds that are named once, found slide_0, slide_0", folds=["slide_0", "slide_0"])
    refused("expected different seeds of at least 0, found -1", seeds=[-1])
    refused("expected different seeds of at least 0, found 1, 1", seeds=[1, 1])
    refused("expected protocols among inductive, transductive, each once, found open", protocols=["open"])
    refused("expected protocols among inductive, transductive, each once, found none", protocols=[])
    refused("expected a device among auto, cpu and cuda, found 'tpu'", device="tpu")
    refused("expected at least one process, found 0", processes=0)
    refused("expected evaluations among .* found 'gap-'", chosen=experiment.change({"measure": ["gap-"]}))
    late = Experiment(
        name="late",
        question="Late?",
        variants=[{"label": "late", "changes": {"model": {"geo": {"kind": "rbf", "start": 9}}}}],
    )
    refused("expected model.geo.start in", chosen=late)


def test_a_process_ends_when_its_parent_is_gone(monkeypatch) -> None:
    parents, cleared = iter([7, 7, 1]), []

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(runner.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(runner.os, "_exit", leave)
    monkeypatch.setattr(runner.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(runner, "remove_leftovers", lambda: cleared.append(True))
    with pytest.raises(SystemExit) as stop:
        runner._end_with(7)
    assert stop.value.code == 1
    assert cleared == [True]

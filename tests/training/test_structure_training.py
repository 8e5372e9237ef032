from __future__ import annotations

import csv

import pytest
import torch

from pyg_gears.training.build_model import build_model
from pyg_gears.training.lightning_run import run
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.pretraining_module import PretrainingModule
from pyg_gears.training.schedules import cosine_rate, random_walk_weight
from pyg_gears.training.structure_module import StructureModule
from pyg_gears.training.structure_training import kept_energies, train_structure


class Killed(RuntimeError):
    pass


def read_log(folder) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "log.csv").read_text().splitlines()))


def test_schedules() -> None:
    weights = [random_walk_weight(e, warmup=1, ramp=6, cap=0.3) for e in (0, 0.99, 1, 4, 7, 20)]
    assert weights == pytest.approx([0, 0, 0, 0.15, 0.3, 0.3])
    assert random_walk_weight(0.0, warmup=0, ramp=0, cap=0.3) == 0.3
    rates = [cosine_rate(s, 11, high=1.0, low=0.1) for s in range(11)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[5], rates[10]) == pytest.approx((1.0, 0.55, 0.1))


TWO_TIMESCALES = {
    "model": {
        "gate": {
            "kind": "former",
            "heads": 2,
            "detached": True,
            "beta_start": 0.5,
            "beta_ramp_epochs": 2.0,
            "trust": 0.1,
            "rank": 0.1,
            "lr": 1e-3,
            "frozen_epochs": 1,
            "update_every": 2,
        }
    },
    "loss": {"distill": {"weight": 0.1}, "deep": 0.1},
    "training": {"pretraining": {"evaluate_every": 1}},
}


@pytest.mark.parametrize("change", [{}, TWO_TIMESCALES], ids=["default", "two timescales"])
def test_a_killed_run_resumes_to_the_same_weights_and_log(change, tiny_recipe, datasets, tmp_path, monkeypatch) -> None:
    tiny_recipe = tiny_recipe.change(change)
    whole = train_structure(tiny_recipe, *datasets, seed=3, folder=tmp_path / "whole", progress=False)
    step = StructureModule.training_step

    def die(self, batch, index):
        if self.current_epoch == 2:
            raise Killed
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(StructureModule, "training_step", die)
        with pytest.raises(Killed):
            train_structure(tiny_recipe, *datasets, seed=3, folder=tmp_path / "cut", progress=False)
    resumed = train_structure(tiny_recipe, *datasets, seed=3, folder=tmp_path / "cut", progress=False)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert (tmp_path / "whole" / "log.csv").read_text() == (tmp_path / "cut" / "log.csv").read_text()
    rows = read_log(tmp_path / "whole")
    with monkeypatch.context() as patch:  # what is finished is not trained again
        patch.setattr(StructureModule, "training_step", lambda *arguments: 1 / 0)
        again = train_structure(tiny_recipe, *datasets, seed=3, folder=tmp_path / "cut", progress=False)
    assert torch.equal(again.embed_pos[0].weight, whole.embed_pos[0].weight)
    assert [float(row["epoch"]) for row in rows] == [0, 1, 2]
    assert {"h_gate", "t_edge", "gate_drift", "gate_precision", "random_walk", "stress", "gate", "loss", "lr"} <= set(
        rows[0]
    )


def test_training_lowers_the_loss_and_leaves_the_global_random_state(tiny_recipe, datasets, tmp_path) -> None:
    recipe = tiny_recipe.change({"training": {"epochs": 8, "lr": 3e-3}})
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    train_structure(recipe, *datasets, seed=0, folder=tmp_path, progress=False)
    assert torch.equal(torch.rand(1), expected)
    rows = read_log(tmp_path)
    assert float(rows[-1]["h_gate"]) < float(rows[0]["h_gate"])


def test_divergence_is_reported(tiny_recipe, datasets, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(StructureModule, "log", lambda *a, **k: None)
    module = StructureModule.__new__(StructureModule)
    torch.nn.Module.__init__(module)
    module.recipe = tiny_recipe

    class Trainer:
        def __init__(self) -> None:
            self.callback_metrics = {"h_gate": torch.tensor(float("nan"))}

    module._trainer = Trainer()
    monkeypatch.setattr(StructureModule, "trainer", property(lambda self: self._trainer))
    with pytest.raises(RuntimeError, match="training diverged"):
        module.on_validation_epoch_end()


def test_the_checkpoint_is_of_an_epoch_that_may_be_kept(tiny_recipe, datasets, tmp_path, monkeypatch) -> None:
    """The first epoch has the lowest energy; with a ramp of three epochs only the third may be kept."""

    def scripted(self, batch, index) -> None:
        self.log("h_gate", 1.0 + self.current_epoch, batch_size=1)

    monkeypatch.setattr(StructureModule, "validation_step", scripted)
    for choice, epoch in (("any", 0), ("after_cap", 2)):
        recipe = tiny_recipe.change({"training": {"checkpoint": choice, "ramp_epochs": 3.0, "patience": 9}})
        train_structure(recipe, *datasets, seed=0, folder=tmp_path / choice, progress=False)
        assert torch.load(tmp_path / choice / "best.ckpt", weights_only=True)["epoch"] == epoch


def test_pretraining_keeps_the_gate_of_the_best_precision(tiny_recipe, datasets, monkeypatch) -> None:
    precisions, gates = [0.3, 0.5, 0.4, 0.9], []
    real = PretrainingModule.on_validation_epoch_end

    def scripted(self, batch, index) -> None:
        self.log("gate_precision", precisions[len(gates)], batch_size=1)

    def spy(self) -> None:
        gates.append(self.model.gate.last.weight.detach().clone())
        real(self)

    monkeypatch.setattr(PretrainingModule, "validation_step", scripted)
    monkeypatch.setattr(PretrainingModule, "on_validation_epoch_end", spy)
    recipe = tiny_recipe.change({"training": {"pretraining": {"steps": 40, "evaluate_every": 2}}})
    model = build_model(recipe, 6, seed=0)
    module = PretrainingModule(model, recipe, *datasets, seed=0)
    run(module, [], progress=False, max_steps=40, val_check_interval=2, check_val_every_n_epoch=None)
    assert len(gates) == 3
    assert torch.equal(model.gate.last.weight, gates[1])


def test_the_energies_of_the_kept_epoch_are_those_of_the_model(tiny_recipe, datasets, tmp_path) -> None:
    model = train_structure(tiny_recipe, *datasets, seed=0, folder=tmp_path, progress=False)
    assert kept_energies(tmp_path) == pytest.approx(mean_energies(model, datasets[1], 160), rel=1e-4)

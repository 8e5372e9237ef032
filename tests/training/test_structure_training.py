from __future__ import annotations

import csv

import pytest
import torch

from pyg_gears.training.schedules import cosine_rate, random_walk_weight
from pyg_gears.training.structure_module import StructureModule
from pyg_gears.training.structure_training import train_structure


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
    "gate": {"kind": "former", "heads": 2, "detached": True, "beta_start": 0.5, "beta_ramp_epochs": 2.0},
    "loss": {"trust": 0.1, "rank": 0.1, "distill": 0.1, "deep": 0.1},
}


@pytest.mark.parametrize("change", [{}, TWO_TIMESCALES], ids=["default", "two timescales"])
def test_a_killed_run_resumes_to_the_same_weights_and_log(change, tiny_recipe, datasets, tmp_path, monkeypatch) -> None:
    tiny_recipe = tiny_recipe.change(change)
    whole = train_structure(
        tiny_recipe, *datasets, seed=3, folder=tmp_path / "whole", progress=False, accelerator="cpu"
    )
    step = StructureModule.training_step

    def die(self, batch, index):
        if self.current_epoch == 2 and not self.pretrain:
            raise Killed
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(StructureModule, "training_step", die)
        with pytest.raises(Killed):
            train_structure(tiny_recipe, *datasets, seed=3, folder=tmp_path / "cut", progress=False, accelerator="cpu")
    resumed = train_structure(
        tiny_recipe, *datasets, seed=3, folder=tmp_path / "cut", progress=False, accelerator="cpu"
    )
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert (tmp_path / "whole" / "log.csv").read_text() == (tmp_path / "cut" / "log.csv").read_text()
    rows = read_log(tmp_path / "whole")
    with monkeypatch.context() as patch:  # what is finished is not trained again
        patch.setattr(StructureModule, "training_step", lambda *arguments: 1 / 0)
        again = train_structure(
            tiny_recipe, *datasets, seed=3, folder=tmp_path / "cut", progress=False, accelerator="cpu"
        )
    assert torch.equal(again.embed_pos[0].weight, whole.embed_pos[0].weight)
    assert [float(row["epoch"]) for row in rows] == [0, 1, 2]
    assert {"h_gate", "t_edge", "gate_drift", "random_walk", "stress", "gate", "loss", "lr"} <= set(rows[0])


def test_training_lowers_the_loss_and_leaves_the_global_random_state(tiny_recipe, datasets, tmp_path) -> None:
    recipe = tiny_recipe.change({"training": {"epochs": 8, "lr": 3e-3}})
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    train_structure(recipe, *datasets, seed=0, folder=tmp_path, progress=False, accelerator="cpu")
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

from __future__ import annotations

import pytest
import torch

from pyg_gears.training.build_model import build_model
from pyg_gears.training.final_training import train_on_all
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.pretraining_module import PretrainingModule
from pyg_gears.training.structure_module import StructureModule, TrainingDiverged


class Killed(RuntimeError):
    pass


def test_it_learns_from_first_weights(tiny_recipe, prepared, tmp_path) -> None:
    recipe = tiny_recipe.change({"training": {"final_epochs": 6, "lr": 3e-3}})
    first = build_model(recipe, 6, seed=0).eval()
    found = train_on_all(recipe, prepared.train, seed=0, folder=tmp_path, progress=False)
    assert not found.training
    energy = [mean_energies(one, prepared.train, 160)["h_gate"] for one in (first, found)]
    assert energy[1] < 0.9 * energy[0]


def test_a_killed_run_resumes_to_the_same_weights(tiny_recipe, prepared, tmp_path, monkeypatch) -> None:
    recipe = tiny_recipe.change({"training": {"final_epochs": 3}})

    def train(name):
        return train_on_all(recipe, prepared.train, seed=3, folder=tmp_path / name, progress=False).state_dict()

    whole, step = train("whole"), StructureModule.training_step

    def die(self, batch, index):
        if self.current_epoch == 2:
            raise Killed
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(StructureModule, "training_step", die)
        with pytest.raises(Killed):
            train("cut")
    with monkeypatch.context() as patch:  # nor is the gate pretrained again
        patch.setattr(PretrainingModule, "training_step", lambda *arguments: 1 / 0)
        assert all(torch.equal(a, b) for a, b in zip(whole.values(), train("cut").values(), strict=True))
    with monkeypatch.context() as patch:  # what is finished is not trained again
        patch.setattr(StructureModule, "training_step", lambda *arguments: 1 / 0)
        train("cut")


def test_nothing_is_validated(tiny_recipe, prepared, tmp_path, monkeypatch) -> None:
    """With nothing held out, a pretraining that would stop by validation trains all of its steps."""
    recipe = tiny_recipe.change({"training": {"pretraining": {"steps": 7, "evaluate_every": 1}, "final_epochs": 1}})
    steps, step = [], PretrainingModule.training_step

    def count(self, batch, index):
        steps.append(index)
        return step(self, batch, index)

    monkeypatch.setattr(PretrainingModule, "training_step", count)
    for module in (PretrainingModule, StructureModule):
        monkeypatch.setattr(module, "validation_step", lambda *arguments: 1 / 0)
    train_on_all(recipe, prepared.train, seed=0, folder=tmp_path, progress=False)
    assert len(steps) == 7


def test_schedules_are_laid_over_its_own_epochs(tiny_recipe, prepared, tmp_path, monkeypatch) -> None:
    from pyg_gears.training import structure_module

    recipe = tiny_recipe.change({
        "loss": {"random_walk": 0.7, "overlap": {"begin": 0.0, "end": 1.0, "views": {"n_min": 8}}},
        "model": {"gate": {"beta": 3.0, "beta_start": 1.0, "beta_ramp_epochs": 2.0}},
        "training": {"epochs": 1, "final_epochs": 4, "warmup_epochs": 1.0, "ramp_epochs": 1.0},
    })  # fmt: skip
    seen, structure_terms = [], structure_module.structure_terms

    def terms(*arguments, **options):
        seen.append((options["walk_weight"], options["overlap_share"], options["beta"]))
        return structure_terms(*arguments, **options)

    monkeypatch.setattr(structure_module, "structure_terms", terms)
    pairs = prepared.train.__class__(
        prepared.train.slides,
        recipe.minisets,
        pre_transform=prepared.train.pre_transform,
        seed=0,
        views=recipe.views,
    )
    train_on_all(recipe, pairs, seed=0, folder=tmp_path, progress=False)
    per_epoch = len(seen) // 4
    assert seen[0] == (0.0, 0.0, 1.0)
    assert seen[2 * per_epoch] == (0.7, 0.5, 3.0)


def test_divergence_is_reported(tiny_recipe, prepared, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        StructureModule, "training_step", lambda self, batch, index: self.model.embed_pos[0].weight.sum() * torch.nan
    )
    with pytest.raises(TrainingDiverged, match="training on all slides diverged"):
        train_on_all(tiny_recipe, prepared.train, seed=0, folder=tmp_path, progress=False)
    assert not (tmp_path / "finished.pt").exists()

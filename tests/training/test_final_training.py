from __future__ import annotations

import pytest
import torch

from pyg_gears.training.build_model import build_model
from pyg_gears.training.final_training import train_on_all
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.parts import choose_parts
from pyg_gears.training.preparation import prepare_parts
from pyg_gears.training.structure_module import StructureModule, TrainingDiverged
from pyg_gears.training.whole_slides import whole_slides


class Killed(RuntimeError):
    pass


@pytest.fixture
def model(tiny_recipe):
    return build_model(tiny_recipe, 6, seed=0).eval()


def test_it_learns_and_leaves_the_model_it_was_given(tiny_recipe, model, prepared, tmp_path) -> None:
    recipe = tiny_recipe.change({"training": {"final_epochs": 6, "lr": 3e-3}})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = train_on_all(model, recipe, prepared.train, seed=0, folder=tmp_path, progress=False)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not found.training
    energy = [mean_energies(one, prepared.train, 160)["h_gate"] for one in (model, found)]
    assert energy[1] < 0.9 * energy[0]


def test_no_epoch_changes_nothing(tiny_recipe, model, prepared, tmp_path) -> None:
    recipe = tiny_recipe.change({"training": {"final_epochs": 0}})
    found = train_on_all(model, recipe, prepared.train, seed=0, folder=tmp_path / "none", progress=False)
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), found.state_dict().values(), strict=True))
    assert not (tmp_path / "none").exists()


def test_a_killed_run_resumes_to_the_same_weights(tiny_recipe, model, prepared, tmp_path, monkeypatch) -> None:
    recipe = tiny_recipe.change({"training": {"final_epochs": 3}})

    def train(name):
        return train_on_all(model, recipe, prepared.train, seed=3, folder=tmp_path / name, progress=False).state_dict()

    whole, step = train("whole"), StructureModule.training_step

    def die(self, batch, index):
        if self.current_epoch == 2:
            raise Killed
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(StructureModule, "training_step", die)
        with pytest.raises(Killed):
            train("cut")
    assert all(torch.equal(a, b) for a, b in zip(whole.values(), train("cut").values(), strict=True))
    with monkeypatch.context() as patch:  # what is finished is not trained again
        patch.setattr(StructureModule, "training_step", lambda *arguments: 1 / 0)
        train("cut")


def test_the_schedules_stand_at_their_end(tiny_recipe, model, prepared, tmp_path, monkeypatch) -> None:
    recipe = tiny_recipe.change({
        "loss": {"random_walk": 0.7},
        "model": {"gate": {"beta": 3.0, "beta_start": 0.5, "beta_ramp_epochs": 2.0, "frozen_epochs": 2}},
        "training": {"final_epochs": 1, "warmup_epochs": 1.0, "ramp_epochs": 1.0},
    })  # fmt: skip
    seen = []

    def terms(*arguments, **options):
        seen.append((options["walk_weight"], options["beta"]))
        return structure_terms(*arguments, **options)

    from pyg_gears.training import structure_module

    structure_terms = structure_module.structure_terms
    monkeypatch.setattr(structure_module, "structure_terms", terms)
    found = train_on_all(model, recipe, prepared.train, seed=0, folder=tmp_path, progress=False)
    assert set(seen) == {(0.7, 3.0)}
    gates = zip(model.gate.parameters(), found.gate.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in gates)  # not frozen again


def test_divergence_is_reported(tiny_recipe, model, prepared, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        StructureModule, "training_step", lambda self, batch, index: self.model.embed_pos[0].weight.sum() * torch.nan
    )
    with pytest.raises(TrainingDiverged, match="training diverged in the last epochs, on all slides"):
        train_on_all(model, tiny_recipe, prepared.train, seed=0, folder=tmp_path, progress=False)
    assert not (tmp_path / "finished.pt").exists()


@pytest.mark.parametrize("held_out", ["slide_1", None])
def test_whole_slides_are_both_sides_in_the_order_of_the_spots(tiny_recipe, tissue, held_out) -> None:
    parts = choose_parts(tiny_recipe, tissue.slides, None, held_out)
    made = prepare_parts(tiny_recipe, parts, None)
    slides, embedded = whole_slides(parts, made)
    assert [slide.name for slide in slides] == [one.name for one in embedded] == ["slide_0", "slide_1", "slide_2"]
    for number, (slide, one) in enumerate(zip(slides, embedded, strict=True)):
        assert one.slide_id == number
        assert torch.equal(one.pos, torch.tensor(slide.pos))
        for sides, found in ((parts.train, made.train), (parts.held_out, made.validation)):
            for part, own in zip(sides, found.slides, strict=True):
                if part.slide_id == number:
                    assert torch.equal(one.x[torch.from_numpy(part.inside)], own.x)
    minisets = recipe_minisets(embedded, tiny_recipe, made.candidates, seed=0)
    assert {int(minisets[number].slide_id) for number in range(len(minisets))} == {0, 1, 2}

from __future__ import annotations

import copy

import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.lab.experiments import direct_fits
from pyg_gears.lab.experiments.interventions import recycle_energies
from pyg_gears.losses import geometric_energy


def test_coordinates_come_near_the_targets(trained, monkeypatch) -> None:
    monkeypatch.setattr(direct_fits, "COORDINATE_STEPS", 150)
    batch = Batch.from_data_list(trained.minisets)
    noise = torch.randn(batch.num_nodes, 2, generator=torch.Generator().manual_seed(0))
    found = direct_fits.coordinates(trained)
    assert found["energy"] < 0.3 * float(geometric_energy(noise, batch))
    assert found["energy"] == pytest.approx(found["random walk"] + 0.1 * found["stress"], abs=1e-6)
    assert direct_fits.coordinates(trained) == found
    assert direct_fits.coordinates(trained._replace(seed=1))["energy"] != found["energy"]


def test_one_miniset_is_overfitted(trained, monkeypatch) -> None:
    energies = {}
    for steps in (0, 60):
        monkeypatch.setattr(direct_fits, "OVERFIT_STEPS", steps)
        energies[steps] = direct_fits.single_overfit(trained)["energy"]
    assert energies[60] < 0.8 * energies[0]


def test_a_cut_model_learns_from_the_whole_one(trained, monkeypatch) -> None:
    monkeypatch.setattr(direct_fits, "DISTILL_STEPS", 6)
    before = copy.deepcopy(trained.model.state_dict())
    found = direct_fits.recycle_distillation(trained)
    assert list(found) == ["whole", "cut", "taught", "taught minus cut", "taught minus whole"]
    assert found["taught minus cut"] == found["taught"] - found["cut"]
    by_recycle = recycle_energies(trained)
    assert found["whole"] == pytest.approx(by_recycle["recycle 3"], abs=1e-5)
    assert found["cut"] == pytest.approx(by_recycle["recycle 2"], abs=1e-5)
    assert found["taught"] != pytest.approx(found["cut"], abs=1e-7)
    for name, value in trained.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in trained.model.parameters())


def test_models_that_cannot_be_cut_give_nothing(trained) -> None:
    short = copy.copy(trained.model)
    short.recycles = 2
    assert direct_fits.recycle_distillation(trained._replace(model=short)) == {}

from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.baselines import embedding_rivals
from pyg_gears.losses import geometric_energy
from pyg_gears.training.preparation import prepare
from pyg_gears.training.rival_energies import rival_energies


def test_the_mean_over_minisets_of_one_layout_of_each_held_out_slide(prepared) -> None:
    found = rival_energies(prepared.train, prepared.validation, seed=0)
    references = [(s.x.double().numpy(), s.pos.numpy()) for s in prepared.train.slides]
    (held_out,) = prepared.validation.slides
    layouts = embedding_rivals(references, held_out.x.double().numpy(), seed=0)
    assert list(found) == list(layouts)
    for name, layout in layouts.items():
        each = [
            float(geometric_energy(torch.tensor(layout[miniset.node_id.numpy()]).float(), miniset))
            for miniset in (prepared.validation[i] for i in range(len(prepared.validation)))
        ]
        assert found[name] == pytest.approx(np.mean(each), rel=1e-5)


def test_the_truth_has_no_energy_and_no_embedding_gives_a_large_one(prepared, monkeypatch) -> None:
    (held_out,) = prepared.validation.slides
    layouts = {"truth": held_out.pos.numpy(), "noise": np.random.default_rng(0).normal(size=held_out.pos.shape)}
    monkeypatch.setattr("pyg_gears.training.rival_energies.embedding_rivals", lambda *a, **k: layouts)
    found = rival_energies(prepared.train, prepared.validation, seed=0)
    assert found["truth"] == pytest.approx(0.0, abs=1e-5)
    assert found["noise"] > 0.3


def test_blocks_of_several_slides(tiny_recipe, tissue) -> None:
    found = prepare(tiny_recipe, tissue.slides[:2], None, None, None)
    assert [slide.slide_id for slide in found.validation.slides] == [0, 1]
    energies = rival_energies(found.train, found.validation, seed=0)
    assert all(np.isfinite(value) and value > 0 for value in energies.values())

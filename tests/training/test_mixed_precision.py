"""A structure model trains under Lightning's mixed precision, and its weights and energies stay float32."""

from __future__ import annotations

import warnings

import lightning
import pytest
import torch

from pyg_gears.training.build_model import build_model
from pyg_gears.training.structure_module import StructureModule

FORMER = {"model": {"gate": {"kind": "former", "heads": 2}}}


@pytest.mark.parametrize("change", [{}, FORMER], ids=["edge gate", "contextual gate"])
def test_two_epochs_in_mixed_precision(change, tiny_recipe, datasets) -> None:
    recipe = tiny_recipe.change({**change, "training": {"epochs": 2}})
    train, validation = datasets
    energies = {}
    for precision in ("32-true", "bf16-mixed"):
        model = build_model(recipe, train.slides[0].x.size(1), 3)
        module = StructureModule(model, recipe, train, validation, seed=3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = lightning.Trainer(
                max_epochs=2,
                precision=precision,
                accelerator="cpu",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
            )
            trainer.fit(module)
        before = build_model(recipe, train.slides[0].x.size(1), 3).state_dict()
        assert all(torch.isfinite(value).all() for value in model.state_dict().values())
        assert all(value.dtype == before[name].dtype for name, value in model.state_dict().items())
        assert any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert {"h_gate", "t_edge", "loss", "gate_kl", "gate_precision"} <= set(trainer.callback_metrics)
        energy = trainer.callback_metrics["h_gate"]
        assert energy.dtype == torch.float32
        energies[precision] = float(energy)
    assert energies["bf16-mixed"] == pytest.approx(energies["32-true"], rel=0.1)

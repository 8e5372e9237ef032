from __future__ import annotations

import pytest
import torch

from pyg_gears.data import EmbeddedSlide
from pyg_gears.errors import InputError
from pyg_gears.graphs import candidate_graph
from pyg_gears.training import Recipe
from pyg_gears.training.build_model import build_model
from pyg_gears.training.candidate_search import candidate_search
from pyg_gears.training.gate_recipe import EdgeGateRecipe
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.preparation import prepare
from pyg_gears.training.projection_training import fit_gate_projection
from pyg_gears.training.structure_training import train_structure

NOISE = 6


def noisy_minisets(tiny_recipe: Recipe):
    """Two channels that are the place, and six of noise of the same size before them."""
    generator = torch.Generator().manual_seed(0)
    pos = torch.rand(300, 2, generator=generator, dtype=torch.float64)
    centred = (pos - pos.mean(dim=0)).float()
    noise = torch.randn(300, NOISE, generator=generator) * centred.std()
    slide = EmbeddedSlide("a", torch.cat([centred, noise], dim=1), pos, 0)
    recipe = tiny_recipe.change({"minisets": {"count": 40}, "graph": {"k": 30}})
    return recipe_minisets([slide], recipe, candidate_search(recipe, None), seed=0)


def test_the_gate_finds_the_channels_that_tell_the_place(tiny_recipe) -> None:
    minisets = noisy_minisets(tiny_recipe)
    gate = EdgeGateRecipe(projection={"channels": 8, "epochs": 12, "lr": 2e-2})
    projection = fit_gate_projection(gate, minisets, node_budget=160, seed=0)
    # Share of the map that reads the place: 2 of 8 channels at first.
    size = projection.square().sum(dim=1)
    assert float(size[:2].sum() / size.sum()) > 0.4
    short = EdgeGateRecipe(projection={"channels": 8, "epochs": 1, "lr": 2e-2})
    one, again, other = (fit_gate_projection(short, minisets, node_budget=160, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_candidates_and_gate_use_the_learned_projection(tiny_recipe, tissue, tmp_path) -> None:
    recipe = tiny_recipe.change({"model": {"gate": {"projection": {"channels": 3, "epochs": 1}}}})
    found = prepare(recipe, tissue.slides, None, None, None)
    learned = found.candidates.projection
    assert learned.shape == (6, 3)
    assert not torch.equal(learned, torch.eye(6, 3))
    one = found.train[0]
    assert torch.equal(one.edge_index, candidate_graph(one.x, k=15, projection=learned))
    model = train_structure(
        recipe, found.train, found.validation, seed=0, folder=tmp_path, projection=learned, progress=False
    )
    assert torch.equal(model.gate.projection, learned)


def test_a_model_is_built_around_the_projection(tiny_recipe) -> None:
    recipe = tiny_recipe.change({"model": {"gate": {"projection": {"channels": 3}}}})
    learned = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(build_model(recipe, 6, 0, learned).gate.projection, learned)
    # Without one the weights are those that the same seed always drew.
    plain, same = build_model(tiny_recipe, 6, 0), build_model(tiny_recipe, 6, 0, torch.zeros(6, 2))
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), same.parameters(), strict=True))


def test_two_projections_are_refused(tiny_recipe) -> None:
    with pytest.raises(InputError, match=r"expected graph.projection or model.gate.projection, found both"):
        tiny_recipe.change({"graph": {"projection": 4}, "model": {"gate": {"projection": {}}}})

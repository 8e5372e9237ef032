"""What a structure model cannot be built with is refused in a sentence, by the model and by its recipe."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from pyg_gears import Recipe
from pyg_gears.errors import InputError
from pyg_gears.models import (
    CoopEBM,
    DistanceEGNN,
    DistanceMDS,
    GradientFlow,
    IPALite,
    LayoutSDE,
    OperatorNet,
    OperatorVAE,
    PlaceNet,
    StochasticIPA,
    WassersteinFlow,
)
from pyg_gears.training.model_recipe import ModelRecipe


@pytest.mark.parametrize(
    ("model", "choice", "message"),
    [
        (DistanceEGNN, {"steps": 0}, "at least one step, found 0"),
        (DistanceEGNN, {"neighbors": 0}, "at least one neighbour, found 0"),
        (DistanceMDS, {"noise": -1.0}, r"a noise of at least 0, found -1\.0"),
        (OperatorNet, {"decoder": "none"}, "a decoder among spectral, diffusion, springs, found 'none'"),
        (OperatorNet, {"spring_steps": -1}, "0 or more steps of the springs, found -1"),
        (OperatorNet, {"latent_channels": 0}, "latent_channels to be a whole number above 0, found 0"),
        (OperatorNet, {"layers": 0}, "layers to be a whole number above 0, found 0"),
        (PlaceNet, {"group": 0}, "at least one node at a time, found 0"),
        (GradientFlow, {"steps": 0}, "at least one step, found 0"),
        (GradientFlow, {"solver": "dopri"}, "a solver among euler, heun, rk4, found 'dopri'"),
        (GradientFlow, {"neighbors": 0}, "neighbors to be a whole number above 0, found 0"),
        (LayoutSDE, {"landmarks": -1}, "0 or more landmarks, found -1"),
        (IPALite, {"gate_channels": 0}, "hidden_channels to be a whole number above 0, found 0"),
        (LayoutSDE, {"steps": 3}, "four or more steps, found 3"),
        (LayoutSDE, {"inference_steps": 2}, "four or more steps, found 2"),
        (WassersteinFlow, {"steps": 0}, "at least one step, found 0"),
        (WassersteinFlow, {"tau": 0.0}, r"a tau above 0, found 0\.0"),
        (OperatorVAE, {"gumbel": -0.5}, r"noises of at least 0, found -0\.5"),
        (CoopEBM, {"langevin_steps": 0}, "at least one Langevin step, found 0"),
        (CoopEBM, {"temperature": -1.0}, r"a temperature of at least 0, found -1\.0"),
        (CoopEBM, {"latent_channels": 0}, "latent_channels to be a whole number above 0, found 0"),
        (CoopEBM, {"refine_steps": -1}, "0 or more springs, found -1"),
        (StochasticIPA, {"blocks": 0}, "at least one recycle and one block, found 3 and 0"),
        (StochasticIPA, {"depth_drop": 1.0}, r"a probability in \[0, 1\) of leaving a block out, found 1\.0"),
    ],
)
def test_a_model_refuses(model: type, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"expected {message}; "):
        model(6, **choice)


def test_a_recipe_of_sets_refuses_heads_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"model\.hidden_channels a multiple of model\.heads, found 6 and 4"):
        Recipe().change({"model": {"kind": "place_net", "hidden_channels": 6}})


def test_every_field_of_a_recipe_reaches_its_model() -> None:
    """Fields are handed on by name: a field that no argument takes would raise, a renamed one would be missed here."""
    fields = {
        "distance_egnn": {"steps": 5, "neighbors": 7, "noise": 0.2, "cycle": 0.3},
        "operator_net": {"decoder": "diffusion", "spring_steps": 3, "noise": 0.2},
        "layout_sde": {"steps": 5, "inference_steps": 6, "noise": 0.2, "fading": 2.0, "descent": 0.1},
        "gradient_flow": {"steps": 5, "solver": "rk4", "noise": 0.2, "landmarks": 3},
        "coop_ebm": {"langevin_steps": 4, "langevin_step": 0.2, "temperature": 0.5, "refine_steps": 2},
        "stochastic_ipa": {"recycles": 2, "depth_drop": 0.4, "detach": False, "noise": 0.2},
        "place_net": {"group": 5, "noise": 0.2},
        "wasserstein_flow": {"steps": 4, "tau": 2.0, "detach": False},
        "operator_vae": {"noise": 0.2, "gumbel": 0.3},
    }
    for kind, chosen in fields.items():
        model = Recipe().change({"model": {"kind": kind, **chosen}}).model.build(6)
        for name, value in chosen.items():
            found = model.weights[name] if name in getattr(model, "weights", {}) else getattr(model, name)
            assert (len(found.theta) if name == "steps" and kind == "distance_egnn" else found) == value, (kind, name)


def test_a_recipe_knows_whether_its_model_reads_edges() -> None:
    """What the true graph cannot change is refused: by the recipe, before torch is loaded."""
    blind = []
    for variant in get_args(get_args(ModelRecipe)[0]):
        model = variant().build(6)
        assert getattr(variant, "reads_edges", True) == model.reads_edges, variant
        if not model.reads_edges:
            blind.append(variant().kind)
    assert set(blind) == {"coordinate_mlp", "distance_mds", "generator_diffusion", "wasserstein_flow"}
    for kind in blind:
        for changes, named in (
            ({"training": {"edges": "true"}}, r"training\.edges=true"),
            ({"loss": {"distill": {}}}, r"loss\.distill"),
        ):
            with pytest.raises(InputError, match=f"expected a model that reads edges with {named}, found {kind}; "):
                Recipe().change({"model": {"kind": kind}, **changes})

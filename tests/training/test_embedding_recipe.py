from __future__ import annotations

import dataclasses

import pytest
from pyg_gears.training.encoder_recipe import EncoderRecipe

from pyg_gears.errors import InputError
from pyg_gears.training import Recipe

TOO_LOW = [
    *((name, 1, "at least 2") for name in ("front_components", "out_channels")),
    *((name, 0, "at least 1") for name in ("neighbors", "folds", "repeats", "steps", "evaluate_every")),
    ("batch_spots", 31, "at least 32"),
    *(
        (name, -0.1, "at least 0")
        for name in (
            "infonce",
            "vicreg",
            "invariance",
            "variance",
            "covariance",
            "adversary",
            "norm",
            "hard_negatives",
            "noise",
            "scale_jitter",
            "weight_decay",
        )
    ),
    ("invariance_warmup", 1.1, "from 0 to 1"),
    ("invariance_warmup", -0.1, "from 0 to 1"),
    ("min_autocorrelation", -1.1, "from -1 to 1"),
    ("min_autocorrelation", 1.1, "from -1 to 1"),
    ("dropout", 0.96, "from 0 to 0.95"),
    ("dropout", -0.1, "from 0 to 0.95"),
    ("temperature", 0.0, "above 0"),
    ("lr", 0.0, "above 0"),
]


@pytest.mark.parametrize(("name", "value", "bound"), TOO_LOW)
def test_numbers_out_of_range_are_named(name: str, value: float, bound: str) -> None:
    with pytest.raises(InputError, match=f"expected encoder.{name} {bound}, found {value}; change the recipe"):
        EncoderRecipe(**{name: value})


def test_every_number_is_checked() -> None:
    checked = {name for name, _, _ in TOO_LOW}
    unchecked = {field.name for field in dataclasses.fields(EncoderRecipe)} - checked
    assert unchecked == {"front", "hidden", "blocks"}


def test_the_rest_is_checked_too() -> None:
    with pytest.raises(
        InputError, match=r"encoder.front among spatial, pca, genes, found 'gene' \(did you mean 'genes'"
    ):
        EncoderRecipe(front="gene")
    for hidden in ((64, 0), (0.5,)):
        with pytest.raises(InputError, match=r"expected encoder.hidden to list widths above 0, found \[.*\]; write"):
            EncoderRecipe(hidden=hidden)
    with pytest.raises(InputError, match=r"expected encoder.infonce or encoder.vicreg above 0, found both 0"):
        EncoderRecipe(infonce=0.0, vicreg=0.0)
    with pytest.raises(InputError, match="out_channels at most front_components, found 41 of 40"):
        EncoderRecipe(out_channels=41)
    assert EncoderRecipe(front="genes", out_channels=128).out_channels == 128


def test_the_bounds_themselves_are_allowed() -> None:
    EncoderRecipe(front_components=2, out_channels=2, batch_spots=32, dropout=0.95, invariance_warmup=1, hidden=())
    EncoderRecipe(infonce=0.0, vicreg=1.0, noise=0.0, folds=1, repeats=1, steps=1, evaluate_every=1)


def test_the_recipe_carries_the_encoder_there_and_back() -> None:
    published = {
        "front": "genes",
        "hidden": [512, 256],
        "out_channels": 128,
        "infonce": 5,
        "vicreg": 1,
        "lr": 1e-4,
        "folds": 1,
    }
    recipe = Recipe().change({"embedding": {"kind": "learned"}, "encoder": published})
    assert recipe.encoder.hidden == (512, 256)
    assert recipe.encoder.infonce == 5.0
    assert recipe.as_dict()["encoder"]["hidden"] == [512, 256]
    assert Recipe().change(recipe.as_dict()) == recipe

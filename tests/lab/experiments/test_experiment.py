from __future__ import annotations

import pytest

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import Experiment, Variant
from pyg_gears.training import Recipe


def build(name: str = "some-name", *variants: Variant) -> Experiment:
    return Experiment(name, "Does it?", "Not yet measured here.", variants or (Variant("as is"),))


def test_variants_change_the_base_recipe_and_nothing_else() -> None:
    variants = (Variant("as is"), Variant("k 10", {"graph": {"k": 10}, "loss": {"rank": 0.1}}))
    experiment = build("k", *variants)
    base = Recipe().change({"training": {"epochs": 7}})
    recipes = experiment.recipes(base)
    assert recipes["as is"] == base
    assert recipes["k 10"] == base.change({"graph": {"k": 10}, "loss": {"rank": 0.1}})
    assert experiment.varied == {"graph.k", "loss.rank"}
    assert variants[1].folder == "k_10"


def test_a_field_that_variants_set_cannot_be_set_for_all() -> None:
    experiment = build("k", Variant("k 10", {"graph": {"k": 10}}))
    experiment.refuse_varied({"graph": {"metric": "cosine"}, "loss": {"rank": 0.1}})
    with pytest.raises(InputError, match=r"expected fields that k does not vary, found graph\.k"):
        experiment.refuse_varied({"graph": {"k": 80}})


def test_names_and_labels_are_checked() -> None:
    with pytest.raises(InputError, match="expected lower-case words joined by hyphens as a name, found 'A b'"):
        build("A b")
    with pytest.raises(InputError, match="expected a label of lower-case letters, digits"):
        Variant("../x")
    with pytest.raises(InputError, match="expected the embedding of a variant among own, noise, found 'zero'"):
        Variant("x", embedding="zero")
    with pytest.raises(InputError, match="expected variants with different labels, found x, x"):
        build("x", Variant("x"), Variant("x"))
    with pytest.raises(InputError, match="expected variants with different labels, found none"):
        Experiment("x", "?", "", ())
    with pytest.raises(InputError, match=r"expected a recipe key, found 'graph\.kk' \(did you mean 'k'"):
        build("x", Variant("x", {"graph": {"kk": 1}})).recipes(Recipe())

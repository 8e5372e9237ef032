from __future__ import annotations

import pytest

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import Experiment, Variant, experiment
from pyg_gears.training import Recipe
from pyg_gears.training.presets import PRESETS


def build(name: str = "some-name", *variants: Variant, **fields: object) -> Experiment:
    return Experiment(name=name, question="Does it?", variants=variants or (Variant(label="as is"),), **fields)


def test_variants_change_the_base_recipe_and_nothing_else() -> None:
    variants = (
        Variant(label="as is"),
        Variant(label="k 10", changes={"graph": {"k": 10}, "loss": {"deep": 0.1}}),
    )
    grid = build("k", *variants)
    base = Recipe().change({"training": {"epochs": 7}})
    recipes = grid.recipes(base)
    assert recipes["as is"] == base
    assert recipes["k 10"] == base.change({"graph": {"k": 10}, "loss": {"deep": 0.1}})
    assert grid.varied == {"graph.k", "loss.deep"}
    assert variants[1].folder == "k_10"


def test_base_then_preset_then_changes(monkeypatch) -> None:
    monkeypatch.setitem(experiment.PRESETS, "mine", {"graph": {"k": 20}, "loss": {"deep": 0.2}})
    preset = Variant(label="x", preset="mine", changes={"loss": {"deep": 0.3}})
    grid = build("x", Variant(label="as is"), preset, base={"graph": {"k": 30}, "training": {"epochs": 3}})
    recipes = grid.recipes(Recipe())
    values = {name: (r.graph.k, r.loss.deep, r.training.epochs) for name, r in recipes.items()}
    assert values == {"as is": (30, Recipe().loss.deep, 3), "x": (20, 0.3, 3)}
    assert grid.varied == {"graph.k", "loss.deep", "training.epochs"}


def test_a_field_that_the_experiment_sets_cannot_be_set_for_all() -> None:
    grid = build("k", Variant(label="k 10", changes={"graph": {"k": 10}, "model": {"gate": {"beta": 1.0}}}))
    grid.refuse_varied({"graph": {"metric": "cosine"}, "loss": {"deep": 0.1}, "model": {"gate": {"kind": "edge"}}})
    for fields, path in (
        ({"graph": {"k": 80}}, r"graph\.k"),
        ({"model": {"gate": {"beta": 2}}}, r"model\.gate\.beta"),
        ({"model": {"gate": None}}, r"model\.gate"),
    ):
        with pytest.raises(InputError, match=f"expected fields that k does not set, found {path};"):
            grid.refuse_varied(fields)


def test_a_preset_of_a_model_of_its_own_needs_an_experiment_that_keeps_it() -> None:
    for name in PRESETS:
        build("k", Variant(label="k 10", changes={"graph": {"k": 10}})).refuse_preset(name)
        build("all", Variant(label="x", changes={"graph": {"kk": 10}})).refuse_preset(name)  # its recipes are refused
    other_kind = build("other", Variant(label="as is"), Variant(label="x", changes={"model": {"kind": "gate_egnn"}}))
    lacking = build("lacking", Variant(label="x", changes={"model": {"recycles": 2}}))
    for grid in (other_kind, lacking):
        for name in ("quick", "d7"):
            grid.refuse_preset(name)
        sentence = (
            rf"whose model {grid.name} keeps, found published_small: the variants change its generator_diffusion.*d7\.$"
        )
        with pytest.raises(InputError, match=sentence) as refused:
            grid.refuse_preset("published_small")
        assert "choose quick, standard, thorough, d7." in str(refused.value)
    with pytest.raises(InputError, match="expected a preset among"):
        lacking.refuse_preset("slow")


def test_a_variant_may_have_its_own_protocol() -> None:
    asked = ("inductive", "transductive")
    assert Variant(label="x").protocols(asked) == asked
    assert Variant(label="x", protocol="transductive").protocols(("inductive",)) == ("transductive",)


def test_names_and_labels_are_checked() -> None:
    with pytest.raises(InputError, match="expected lower-case words joined by hyphens as a name, found 'A b'"):
        build("A b")
    with pytest.raises(InputError, match="expected a label of lower-case letters, digits"):
        Variant(label="../x")
    with pytest.raises(InputError, match="expected embedding among own, noise, found 'zero'"):
        Variant(label="x", embedding="zero")
    with pytest.raises(InputError, match=r"expected a preset among quick, .* found 'slow'"):
        build("x", Variant(label="x", preset="slow")).recipes(Recipe())
    with pytest.raises(InputError, match="expected variants with different labels, found x, x"):
        build("x", Variant(label="x"), Variant(label="x"))
    with pytest.raises(InputError, match="expected variants with different labels, found none"):
        Experiment(name="x", question="?", variants=())
    condition = {"metric": "h_gate", "variant": "y", "value": "< 1"}
    with pytest.raises(InputError, match="expected criteria on the variants x, found 'y'"):
        build("x", Variant(label="x"), criteria=[{"claim": "?", "source": "?", "all": [condition]}])
    with pytest.raises(InputError, match=r"found 'graph\.kk' \(did you mean 'k'"):
        build("x", Variant(label="x", changes={"graph": {"kk": 1}})).recipes(Recipe())

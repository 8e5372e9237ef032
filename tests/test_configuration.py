from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from pyg_gears.configuration import Configuration, parse_assignments
from pyg_gears.errors import InputError


class Edge(Configuration):
    kind: Literal["edge"] = "edge"
    channels: int = Field(default=32, ge=1)
    beta: float = 2.0


class Former(Configuration):
    kind: Literal["former"] = "former"
    channels: int = Field(default=32, ge=1)
    layers: int = 2


class Pretraining(Configuration):
    steps: int = 300


class Model(Configuration):
    gate: Annotated[Edge | Former, Field(discriminator="kind")] = Edge()
    pretraining: Pretraining | None = None
    hidden: tuple[int, ...] = (64,)


class Whole(Configuration):
    model: Model = Model()
    lr: float = Field(default=1e-3, gt=0)


def test_changes_reach_one_field_and_leave_the_rest() -> None:
    recipe = Whole().change({"model": {"gate": {"channels": 7}}})
    assert recipe.model.gate == Edge(channels=7)
    assert recipe.change({"lr": "1e-2"}).lr == 0.01  # YAML reads 1e-2 as a text
    assert recipe.change({"model": {"pretraining": {"steps": 3}}}).model.pretraining == Pretraining(steps=3)
    assert Whole() == Whole().change({})


def test_another_kind_keeps_what_was_chosen_and_both_have() -> None:
    recipe = Whole().change({"model": {"gate": {"channels": 7, "beta": 1.0}}})
    assert recipe.change({"model": {"gate": {"kind": "former"}}}).model.gate == Former(channels=7)
    assert Whole().change({"model": {"gate": {"kind": "former", "layers": 3}}}).model.gate == Former(layers=3)


class Shallow(Configuration):
    kind: Literal["shallow"] = "shallow"
    width: int = 8
    gate: Annotated[Edge | Former, Field(discriminator="kind")] = Edge()


class Deep(Configuration):
    kind: Literal["deep"] = "deep"
    width: int = 16
    gate: Former = Former()


class Nested(Configuration):
    net: Annotated[Shallow | Deep, Field(discriminator="kind")] = Shallow()


def test_sections_of_another_kind_start_from_its_defaults_and_what_was_chosen() -> None:
    deep = Nested().change({"net": {"kind": "deep", "gate": {"layers": 3}}})
    assert deep.net == Deep(gate=Former(layers=3))
    chosen = Nested().change({"net": {"width": 9, "gate": {"channels": 7}}}).change({"net": {"kind": "deep"}})
    assert chosen.net == Deep(width=9, gate=Former(channels=7))
    assert chosen.change({"net": {"kind": "shallow"}}).net == Shallow(width=9, gate=Former(channels=7))


class Heads(Configuration):
    count: int = 4
    width: int = 32


class Wide(Configuration):
    kind: Literal["wide"] = "wide"
    gate: Annotated[Edge | Former, Field(discriminator="kind")] = Former(layers=5)
    heads: Heads = Heads(width=64)


class Narrow(Configuration):
    kind: Literal["narrow"] = "narrow"
    gate: Annotated[Edge | Former, Field(discriminator="kind")] = Edge()
    heads: Heads = Heads()


class Body(Configuration):
    model: Annotated[Narrow | Wide, Field(discriminator="kind")] = Narrow()


def test_sections_inside_another_kind_start_from_its_own_defaults() -> None:
    body = Body().change({"model": {"kind": "wide", "heads": {"count": 2}, "gate": {"channels": 7}}})
    assert body.model == Wide(heads=Heads(count=2, width=64), gate=Former(layers=5, channels=7))
    chosen = Body().change({"model": {"heads": {"count": 3}}})
    assert chosen.change({"model": {"kind": "wide"}}).model.heads == Heads(count=3)


def test_plain_values_and_back() -> None:
    recipe = Whole().change({"model": {"gate": {"kind": "former"}, "hidden": [8, 4]}})
    assert Whole.read(json.loads(json.dumps(recipe.as_dict()))) == recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, r"expected a field of the recipe, found 'modle' \(did you mean 'model'\?\)"),
        ({"model": {"gate": {"layers": 3}}}, "found 'model.gate.layers'; kind former has it"),
        ({"model": {"gate": {"kind": "formr"}}}, "expected model.gate.kind among edge, former, found 'formr'"),
        ({"model": {"gate": {"channels": 0}}}, "expected model.gate.channels at least 1, found 0"),
        ({"model": {"gate": {"channels": 3.5}}}, "expected model.gate.channels to be a valid integer, found 3.5"),
        ({"model": {"gate": {"channels": True}}}, "expected model.gate.channels to be a number, found True"),
        ({"model": {"pretraining": {"step": 3}}}, r"found 'model.pretraining.step' \(did you mean 'steps'\?\)"),
        ({"model": 3}, "expected a mapping of fields for model, found 3"),
        ({"lr": 0}, "expected lr above 0"),
        ({"lr": "abc"}, "expected lr to be a valid number, found 'abc'"),
    ],
)
def test_mistakes_are_one_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Whole().change(values)
    with pytest.raises(InputError, match=message):
        Whole.read(values)


def test_mistakes_of_a_single_section() -> None:
    with pytest.raises(InputError, match="expected channels at least 1, found 0"):
        Edge(channels=0)
    with pytest.raises(InputError, match="expected a mapping of fields, found 3"):
        Edge.read(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected a mapping of fields, found 3"):
        Edge().change(3)  # type: ignore[arg-type]


class Settings(Configuration):
    whole: ClassVar[str] = "the settings"
    noise: float | None = None
    fast: bool | None = None


def test_messages_name_the_outermost_section_and_optional_numbers_are_no_truth_values() -> None:
    assert Settings(fast=True).fast is True
    with pytest.raises(InputError, match="expected a field of the settings, found 'nois'"):
        Settings().change({"nois": 1.0})
    with pytest.raises(InputError, match="expected noise to be a number, found True"):
        Settings().change({"noise": True})


def test_assignments() -> None:
    assert parse_assignments(["a.b=1", "a.c=x", "d=[1, 2]"]) == {"a": {"b": 1, "c": "x"}, "d": [1, 2]}
    with pytest.raises(InputError, match="expected --set key=value, found 'epochs'"):
        parse_assignments(["epochs"])
    with pytest.raises(InputError, match="expected a plain value"):
        parse_assignments(["a.b={"])
    with pytest.raises(InputError, match="expected a section before the last dot"):
        parse_assignments(["a=1", "a.b=1"])


@pytest.mark.parametrize(
    "assignments",
    [
        ["loss=null", "loss.repulsion=0.1"],
        ["loss.repulsion=0.1", "loss=null"],
        ["embedding.components=30", "embedding={kind: pca}"],
    ],
)
def test_a_section_and_its_field_cannot_be_set_at_once(assignments) -> None:
    with pytest.raises(InputError, match="set either the section or its field"):
        parse_assignments(assignments)


def test_a_field_may_follow_its_section_and_the_last_value_of_a_field_counts() -> None:
    found = parse_assignments(["embedding={kind: pca}", "embedding.components=30", "embedding.components=40"])
    assert found == {"embedding": {"kind": "pca", "components": 40}}

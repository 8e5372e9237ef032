from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic.fields import FieldInfo

from pyg_gears.configuration import Configuration, parse_assignments
from pyg_gears.data.miniset_recipe import PairedViews
from pyg_gears.errors import InputError
from pyg_gears.training import Recipe
from pyg_gears.training.presets import PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_json_and_yaml(name: str) -> None:
    recipe = Recipe.preset(name)
    assert Recipe.read(json.loads(json.dumps(recipe.as_dict()))) == recipe
    assert Recipe.read(yaml.safe_load(yaml.safe_dump(recipe.as_dict()))) == recipe


def test_assignments_change_one_field_each() -> None:
    changes = parse_assignments(["training.lr=1e-3", "graph.k=7", "training.epochs=2", "model.shared=false"])
    recipe = Recipe().change(changes)
    assert (recipe.training.lr, recipe.graph.k, recipe.training.epochs, recipe.model.shared) == (1e-3, 7, 2, False)
    assert recipe.change({"graph": {"k": 100}, "model": {"shared": True}}).loss == Recipe().loss


def test_d7_is_another_recipe_in_every_section_that_the_sources_describe() -> None:
    d7, ours = Recipe.preset("d7"), Recipe()
    assert (d7.embedding.kind, ours.embedding.kind) == ("d7", "learned")
    assert (d7.loss.stress, d7.loss.stress_kind, d7.loss.random_walk) == (0.1, "log", 0.3)
    assert (d7.training.warmup_epochs, d7.training.ramp_epochs, d7.training.patience) == (1, 6, 4)
    assert (d7.model.hidden_channels, d7.model.head_channels, d7.model.gate.channels) == (
        96,
        32,
        64,
    )
    assert d7.training.pretraining.coordinates is False
    assert d7.training.checkpoint == "after_cap"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trainning": {}}, r"found 'trainning' \(did you mean 'training'\?\)"),
        ({"training": {"epoch": 3}}, r"found 'training.epoch' \(did you mean 'epochs'\?\)"),
        ({"training": {"epochs": "many"}}, "expected training.epochs to be a valid integer"),
        ({"training": {"epochs": 0}}, "expected training.epochs at least 1, found 0"),
        ({"training": {"lr": 0.0}}, "expected training.lr above 0"),
        ({"training": {"h_dropout": 2.0}}, "expected training.h_dropout at most 0.95"),
        ({"training": 3}, "expected a mapping of fields for training"),
        ({"training": {"edges": "real"}}, "expected training.edges among candidates, true, found 'real'"),
        ({"training": {"pretraining": {"steps": 0}}}, "expected training.pretraining.steps at least 1"),
        ({"minisets": {"max_share": 0.0}}, "expected minisets.max_share above 0"),
        ({"embedding": {"kind": "umap"}}, "expected embedding.kind among .*, found 'umap'"),
        ({"embedding": {"components": 20}}, "found 'embedding.components'; kind spatial or pca has it"),
        ({"embedding": {"target_sum": 0}}, "expected embedding.target_sum above 0"),
        ({"loss": {"stress_kind": "square"}}, "expected loss.stress_kind among"),
        ({"loss": {"distill": {"kind": "layout"}}}, "expected loss.distill.kind among walk, distances"),
        ({"graph": {"jaccard": 1.5}}, "expected graph.jaccard at most 1"),
        ({"graph": {"projection": -1}}, "expected graph.projection at least 0"),
        ({"model": {"gate": {"target": "walk3"}}}, "expected model.gate.target among walk, walk2, mix"),
        ({"model": {"gate": {"kind": "formr"}}}, r"model.gate.kind among edge, former, found 'formr' .did you mean"),
        ({"model": {"gate": {"layers": 2}}}, "found 'model.gate.layers'; kind former has it"),
        ({"model": {"gate": {"trust": -0.1}}}, "expected model.gate.trust at least 0"),
        ({"model": {"kind": "ipa"}}, "expected model.kind among ipa_lite, ipa_r, topo_ipa_r"),
        (
            {"model": {"gate": {"trust": 0.1}}, "training": {"pretraining": None}},
            "expected training.pretraining with model.gate.trust above 0, found none",
        ),
    ],
)
def test_bad_recipes_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe().change(values)


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a preset among .*found 'fast'"):
        Recipe.preset("fast")


def fields_of(section: type[Configuration], path: str = "recipe") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        if name != "kind":
            yield f"{path}.{name}", field
        for part in sections_in(field.annotation):
            yield from fields_of(part, f"{path}.{name}")


def sections_in(annotation: object) -> Iterator[type[Configuration]]:
    if isinstance(annotation, type) and issubclass(annotation, Configuration):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def test_every_field_is_documented_and_ranked() -> None:
    found = dict(fields_of(Recipe))
    sections = {f"recipe.{name}" for name in Recipe.model_fields}
    assert not [path for path, field in found.items() if path not in sections and not field.description]
    page = (Path(__file__).parents[2] / "docs" / "recipe.md").read_text()
    for path in ("training.members", "minisets.count", "embedding.kind", "training.epochs", "graph.k"):
        assert f"`{path}`" in page
    # What the page names exists.
    names = {path.removeprefix("recipe.") for path in found} | {"embedding.kind", "model.kind", "model.gate.kind"}
    named = {
        name for name in re.findall(r"`([a-z_.]+)`", page) if name.split(".")[0] in Recipe.model_fields and "." in name
    }
    assert named <= names, named - names


def test_regressions_without_any_weight_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"expected regressions\.knn or regressions\.kernel_ridge above 0, found neither"
    ):
        Recipe().change({"regressions": {"knn": 0, "kernel_ridge": 0}})
    assert Recipe().change({"regressions": None}).regressions is None
    assert Recipe().change({"regressions": {"knn": 0}}).regressions.kernel_ridge == 0.35


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"minisets": {"count": 5}}, r"an even minisets\.count with loss\.overlap, found 5; add one"),
        (
            {"loss": {"overlap": {"views": {"kinds": {}}}}},
            r"minisets\.geodesic with loss\.overlap\.views\.kinds, found none",
        ),
        (
            {"model": {"kind": "generator_diffusion", "pairs": {}}},
            r"expected model\.pairs or loss\.overlap, found both; leave out loss\.overlap",
        ),
    ],
)
def test_overlaps_need_pairs_that_can_be_drawn(values, message) -> None:
    recipe = Recipe().change({"loss": {"overlap": {}}})
    assert recipe.views == PairedViews()
    assert Recipe().views is None
    assert Recipe.read(recipe.as_dict()) == recipe
    with pytest.raises(InputError, match=message):
        recipe.change(values)

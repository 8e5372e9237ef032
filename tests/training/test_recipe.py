from __future__ import annotations

import json

import pytest
import yaml

from pyg_gears.training import Recipe
from pyg_gears.training.configuration import parse_assignments
from pyg_gears.training.recipe import PRESETS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_survive_json_and_yaml(name: str) -> None:
    recipe = Recipe.preset(name)
    assert Recipe().change(json.loads(json.dumps(recipe.as_dict()))) == recipe
    assert Recipe().change(yaml.safe_load(yaml.safe_dump(recipe.as_dict()))) == recipe


def test_assignments_change_one_field_each() -> None:
    recipe = Recipe().change(
        parse_assignments(["training.lr=1e-3", "graph.k=7", "training.epochs=2", "model.shared=false"])
    )
    assert (recipe.training.lr, recipe.graph.k, recipe.training.epochs, recipe.model.shared) == (1e-3, 7, 2, False)
    assert recipe.change({"graph": {"k": 100}, "model": {"shared": True}}).loss == Recipe().loss


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trainning": {}}, r"found 'trainning' \(did you mean 'training'\?\)"),
        ({"training": {"epoch": 3}}, r"found 'training.epoch' \(did you mean 'epochs'\?\)"),
        ({"training": {"epochs": "many"}}, "expected training.epochs like 12"),
        ({"training": {"epochs": 0}}, "expected training.epochs at least 1, found 0"),
        ({"training": {"lr": 0.0}}, "expected training.lr above 0"),
        ({"training": {"h_dropout": 2.0}}, "expected training.h_dropout from 0 to 0.95"),
        ({"training": 3}, "expected a mapping of fields for training"),
        ({"minisets": {"max_share": 0.0}}, "Expected max_share above 0"),
        ({"embedding": {"kind": "umap"}}, "expected embedding.kind among learned, spatial, pca"),
        ({"embedding": {"target_sum": 0}}, "expected embedding.target_sum above 0"),
        ({"minisets": {"kind": "locl"}}, "Expected a sampling of"),
        ({"loss": {"stress_kind": "square"}}, "expected loss.stress_kind among"),
        ({"loss": {"distill_kind": "layout"}}, "expected loss.distill_kind among walk, distances"),
        ({"loss": {"trust": -0.1}}, "expected loss.trust at least 0"),
        ({"graph": {"jaccard": 1.5}}, "expected graph.jaccard from 0 to 1"),
        ({"graph": {"projection": -1}}, "expected graph.projection at least 0"),
        ({"graph": {"gate_target": "walk3"}}, "expected graph.gate_target among walk, walk2, mix"),
        ({"gate": {"kind": "formr"}}, r"expected gate.kind among edge, former, found 'formr' \(did you mean 'former'"),
        ({"gate": {"limit": 0.0}}, "expected gate.limit above 0"),
        ({"gate": {"dropout": 1.0}}, "expected gate.dropout from 0 to 0.95"),
        ({"gate": {"kind": "former", "per_head": True}}, "expected gate.per_head=false with gate.kind='former'"),
        ({"model": {"kind": "ipa"}}, "expected model.kind among ipa_lite, ipa_r, topo_ipa_r"),
        ({"model": {"geo_from": -1}}, "expected model.geo_from at least 0"),
    ],
)
def test_bad_recipes_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe().change(values)


def test_bad_assignments_and_presets_are_refused() -> None:
    with pytest.raises(ValueError, match="expected --set key=value, found 'epochs'"):
        parse_assignments(["epochs"])
    with pytest.raises(ValueError, match="expected a plain value"):
        parse_assignments(["a.b={"])
    with pytest.raises(ValueError, match="expected a section before the last dot"):
        parse_assignments(["a=1", "a.b=1"])
    with pytest.raises(ValueError, match=r"expected a preset among .*found 'fast'"):
        Recipe.preset("fast")

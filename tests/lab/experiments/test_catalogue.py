from __future__ import annotations

import pytest

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import CATALOGUE, EVALUATIONS, describe_catalogue, find_experiment
from pyg_gears.training import Recipe
from pyg_gears.training.structure_training import build_model

# What every method developer may ask for by name.
NAMES = {
    *("closing-the-gap", "ladder", "seed-stability", "slide-folds", "topology", "poison-pills"),
    *("contextual-gate", "hard-gate", "gate-weight", "gate-pretraining", "gate-heads", "gate-target", "beta-ramp"),
    *("gate-embedding", "gate-trust", "gate-ranking", "gate-timescales"),
    *("logit-terms", "shared-blocks", "geometry-bias", "point-geometry", "pair-bias", "full-integration", "recycles"),
    *("uniform-attention", "smoothing-recycles", "step-size", "recycle-distillation", "stop-gradient"),
    *("deep-supervision", "candidate-k", "candidate-robustness", "mutual-candidates", "learned-projection"),
    *("augmentation", "walk-stress", "fewer-terms", "oracle-distillation"),
}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_experiment_builds_valid_and_different_recipes(name) -> None:
    experiment = find_experiment(name)
    for preset in ("quick", "standard"):
        recipes = experiment.recipes(Recipe.preset(preset))
        for recipe in recipes.values():
            assert build_model(recipe, 12, seed=0).recycles == recipe.model.recycles
    # Two variants that are the same run would only cost time.
    distinct = {(repr(recipes[variant.label]), variant.embedding) for variant in experiment.variants}
    assert len(distinct) == len(experiment.variants)
    assert set(experiment.measure) <= set(EVALUATIONS)
    assert experiment.question.endswith("?")
    assert experiment.found.endswith(".")


def test_the_catalogue_holds_these_and_every_evaluation_is_used() -> None:
    assert set(CATALOGUE) == NAMES
    assert {name for experiment in CATALOGUE.values() for name in experiment.measure} == set(EVALUATIONS)


def test_the_list_tells_question_finding_and_variants() -> None:
    text = describe_catalogue()
    for experiment in CATALOGUE.values():
        block = text[text.index(f"{experiment.name}\n") :].split("\n\n")[0]
        assert experiment.question in block
        assert experiment.found in block
        assert all(variant.label in block for variant in experiment.variants)


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(InputError, match="found 'recicles' \\(did you mean 'recycles'\\?\\)"):
        find_experiment("recicles")

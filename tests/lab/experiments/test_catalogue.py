from __future__ import annotations

import pytest
import yaml

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import (
    CATALOGUE,
    EVALUATIONS,
    catalogue,
    describe_catalogue,
    direct_fits,
    find_experiment,
)
from pyg_gears.lab.experiments.evaluations import measure
from pyg_gears.training import Recipe
from pyg_gears.training.build_model import build_model

# What a method developer asks for by name.
NAMES = {
    *("seed-stability", "slide-folds", "protocol", "negative-controls", "ladder", "closing-the-gap", "topology"),
    *("contextual-gate", "former-pretraining", "gate-pretraining", "hard-gate", "gate-weight", "gate-heads"),
    *("gate-target", "gate-timescales", "gate-phases", "gate-embedding", "beta-ramp", "gate-trust", "gate-ranking"),
    *("logit-terms", "qk-scale", "uniform-attention", "shared-blocks", "geometry-bias", "point-geometry", "pair-bias"),
    *(
        "full-integration",
        "remove-the-fights",
        "recycles",
        "smoothing-recycles",
        "step-size",
        "first-step",
        "recycle-distillation",
    ),
    *("stop-gradient", "deep-supervision", "candidate-k", "candidate-robustness", "mutual-candidates"),
    *(
        "learned-projection",
        "gate-projection",
        "augmentation",
        "slide-noise",
        "walk-stress",
        "fewer-terms",
        "oracle-distillation",
        "graph-value",
    ),
}
SCHEDULE = ("training.warmup_epochs", "training.ramp_epochs", "loss.random_walk", "model.gate.beta_ramp_epochs")


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_experiment_builds_valid_and_different_recipes(name) -> None:
    experiment = find_experiment(name)
    for preset in ("quick", "standard", "d7"):
        recipes = experiment.recipes(Recipe.preset(preset))
        for recipe in recipes.values():
            build_model(recipe, 12, seed=0)
        # Two variants that are the same run would only cost time. Some preset may well hold one of them.
        distinct = {
            (repr(recipes[variant.label]), variant.embedding, variant.candidates, variant.protocol)
            for variant in experiment.variants
        }
        assert len(distinct) == len(experiment.variants) or (preset == "d7" and name == "closing-the-gap")
    assert set(experiment.measure) <= set(EVALUATIONS)
    assert experiment.question.endswith("?")


def test_the_catalogue_holds_these_and_every_evaluation_is_used() -> None:
    assert set(CATALOGUE) == NAMES
    assert {name for experiment in CATALOGUE.values() for name in experiment.measure} == set(EVALUATIONS)


def test_every_experiment_has_a_criterion_on_what_it_measures() -> None:
    for experiment in CATALOGUE.values():
        assert experiment.criteria, experiment.name
        for criterion in experiment.criteria:
            for condition in (*criterion.all, *criterion.any):
                evaluation, colon, _ = condition.metric.partition(": ")
                assert not colon or evaluation in experiment.measure, (experiment.name, condition.metric)


def test_criteria_limit_numbers_that_runs_have(trained, monkeypatch) -> None:
    for steps in ("COORDINATE_STEPS", "OVERFIT_STEPS", "DISTILL_STEPS"):
        monkeypatch.setattr(direct_fits, steps, 1)
    known = {*measure(trained), "best_epoch", "epochs", "gate_drift", "seconds", "diverged"}
    known |= {f"{name}: {key}" for name, evaluation in EVALUATIONS.items() for key in evaluation(trained)}
    for experiment in CATALOGUE.values():
        limited = [one.metric for criterion in experiment.criteria for one in (*criterion.all, *criterion.any)]
        assert set(limited) <= known, experiment.name


@pytest.mark.parametrize("name", sorted(NAMES))
def test_schedules_are_compared_after_the_cap(name) -> None:
    experiment = find_experiment(name)
    for recipe in experiment.recipes(Recipe.preset("standard")).values():
        if experiment.varied & set(SCHEDULE) and name not in UNSCHEDULED:
            assert recipe.training.checkpoint == "after_cap"
            assert recipe.training.epochs > recipe.training.warmup_epochs + recipe.training.ramp_epochs


# They set the same ramp for all variants, or compare whole recipes.
UNSCHEDULED = {"gate-weight", "logit-terms", "closing-the-gap"}


def test_files_hold_each_name_once_and_all_are_read() -> None:
    from importlib.resources import files

    found = [file for file in files("pyg_gears.lab.experiments.catalogue").iterdir() if file.name.endswith(".yaml")]
    assert {file.name.removesuffix(".yaml") for file in found} == set(catalogue.THEMES)
    names = [entry["name"] for file in found for entry in yaml.safe_load(file.read_text())]
    assert len(names) == len(set(names)) == len(CATALOGUE)


def test_the_list_shows_question_variants_and_criteria() -> None:
    text = "\n" + describe_catalogue()
    for experiment in CATALOGUE.values():
        block = text[text.index(f"\n{experiment.name}\n") :].split("\n\n")[0]
        assert experiment.question in block
        assert all(variant.label in block for variant in experiment.variants)
        assert all(criterion.claim in block for criterion in experiment.criteria)


def test_an_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(InputError, match="found 'recicles' \\(did you mean 'recycles'\\?\\)"):
        find_experiment("recicles")

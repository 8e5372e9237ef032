"""The named experiments; each YAML file here holds those of one theme."""

from __future__ import annotations

from importlib.resources import files

import yaml

from pyg_gears.errors import expect, nearest_name
from pyg_gears.lab.experiments.experiment import Experiment

__all__ = ["CATALOGUE", "describe_catalogue", "find_experiment"]

THEMES = ("validity", "ladder", "gate", "gate_training", "attention", "recycles", "candidates", "graph", "objectives")


def _read() -> dict[str, Experiment]:
    found: dict[str, Experiment] = {}
    for theme in THEMES:
        for entry in yaml.safe_load((files(__package__) / f"{theme}.yaml").read_text(encoding="utf-8")):
            experiment = Experiment(**entry)
            assert experiment.name not in found, experiment.name
            found[experiment.name] = experiment
    return found


CATALOGUE = _read()
"""All experiments by name, in the order of ``pyg-gears lab experiment --list``."""


def find_experiment(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        InputError: when there is none; the nearest name is proposed.
    """
    expect(
        name in CATALOGUE,
        f"expected the name of an experiment, found {name!r}{nearest_name(name, CATALOGUE)}; "
        "`pyg-gears lab experiment --list` names them all.",
    )
    return CATALOGUE[name]


def describe_catalogue() -> str:
    """Name, question, variants, evaluations and criteria of every experiment, as text."""
    blocks = []
    for experiment in CATALOGUE.values():
        lines = [experiment.name, f"  {experiment.question}"]
        lines.append(f"  Variants: {' | '.join(variant.label for variant in experiment.variants)}")
        if experiment.measure:
            lines.append(f"  Evaluations: {', '.join(experiment.measure)}")
        lines += [f"  Criterion: {criterion.claim}" for criterion in experiment.criteria]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"

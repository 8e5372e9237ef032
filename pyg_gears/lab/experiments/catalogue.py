"""Every experiment by name."""

from __future__ import annotations

from pyg_gears.errors import expect, nearest_name
from pyg_gears.lab.experiments import attention, candidates, gates, objectives, validity
from pyg_gears.lab.experiments.experiment import Experiment

CATALOGUE: dict[str, Experiment] = {
    experiment.name: experiment
    for theme in (validity, gates, attention, candidates, objectives)
    for experiment in theme.EXPERIMENTS
}
"""All experiments, in the order of ``pyg-gears lab experiment --list``."""


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
    """Name, question, what was found, and the variants of every experiment, as text."""
    lines = []
    for experiment in CATALOGUE.values():
        labels = " | ".join(variant.label for variant in experiment.variants)
        lines += [experiment.name, f"  {experiment.question}", f"  Found: {experiment.found}", f"  Variants: {labels}"]
        if experiment.measure:
            lines.append(f"  Measured besides: {', '.join(experiment.measure)}")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"

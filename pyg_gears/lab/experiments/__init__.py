"""Named grids over the recipe: each asks one question, can be resumed, and ends in a table, verdicts and a figure.

Names are loaded when first used, so that listing the experiments does not wait for the import of the training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from pyg_gears.lab.experiments.catalogue import CATALOGUE, describe_catalogue, find_experiment
    from pyg_gears.lab.experiments.criterion import Condition, Criterion, Verdict
    from pyg_gears.lab.experiments.evaluations import EVALUATIONS
    from pyg_gears.lab.experiments.experiment import Experiment, Variant
    from pyg_gears.lab.experiments.run_record import RunRecord
    from pyg_gears.lab.experiments.runner import ExperimentOutput, run_experiment

__all__ = [
    "CATALOGUE",
    "EVALUATIONS",
    "Condition",
    "Criterion",
    "Experiment",
    "ExperimentOutput",
    "RunRecord",
    "Variant",
    "Verdict",
    "describe_catalogue",
    "find_experiment",
    "run_experiment",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "catalogue": ("CATALOGUE", "describe_catalogue", "find_experiment"),
        "criterion": ("Condition", "Criterion", "Verdict"),
        "evaluations": ("EVALUATIONS",),
        "experiment": ("Experiment", "Variant"),
        "run_record": ("RunRecord",),
        "runner": ("ExperimentOutput", "run_experiment"),
    },
)

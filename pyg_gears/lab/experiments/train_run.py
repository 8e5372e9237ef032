"""One run of a grid: train, measure, write."""

from __future__ import annotations

import csv
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from pyg_gears.data.whole_file import whole_file
from pyg_gears.lab.experiments.evaluations import EVALUATIONS, measure
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.experiments.trained_run import TrainedRun
from pyg_gears.training.preparation import Prepared
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.structure_module import TrainingDiverged
from pyg_gears.training.structure_training import train_structure


@dataclass(frozen=True)
class RunTask:
    """What one run needs to know.

    Attributes:
        variant: Label of the variant.
        fold: Slide held out.
        seed: Seed of the structure model: first weights, order, augmentation.
        recipe: The variant's recipe.
        preparation: Key of its encoder and minisets.
        measure: Further evaluations.
        record: File of its record; ``log.csv`` of the training goes beside it with the same stem.
        work: Folder of its checkpoints, gone when the run is finished.
    """

    variant: str
    fold: str
    seed: int
    recipe: Recipe
    preparation: str
    measure: tuple[str, ...]
    record: Path
    work: Path


def train_run(task: RunTask, prepared: Prepared) -> RunRecord:
    """Train the structure model, measure it, write its record, and clear its checkpoints away.

    A run that was killed goes on from its last epoch. A training that diverges is a result too, and recorded as failed.
    """
    resumed = task.work.exists()
    start = time.perf_counter()
    try:
        model = train_structure(
            task.recipe, prepared.train, prepared.validation, seed=task.seed, folder=task.work, progress=False
        )
    except TrainingDiverged as error:
        record = RunRecord(task.variant, task.fold, task.seed, failed=str(error))
    else:
        seconds = None if resumed else time.perf_counter() - start
        run = TrainedRun(model, task.recipe, prepared, task.seed)
        values = measure(run) | _epochs(task.work / "log.csv") | {"seconds": seconds}
        found = {name: EVALUATIONS[name](run) for name in task.measure}
        record = RunRecord(task.variant, task.fold, task.seed, values, found)
    log = task.work / "log.csv"
    task.record.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        with whole_file(task.record.with_suffix(".csv")) as part:
            shutil.copy(log, part)
    record.write(task.record)
    shutil.rmtree(task.work)
    return record


def _epochs(log: Path) -> dict[str, float]:
    """Number of the best epoch and of all epochs, counted from 1; the drift of a pretrained gate at the best."""
    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    energies = [float(row["h_gate"]) for row in rows]
    best = energies.index(min(energies))
    drift = {"gate_drift": float(rows[best]["gate_drift"])} if "gate_drift" in rows[best] else {}
    return {"best_epoch": best + 1.0, "epochs": float(len(rows)), **drift}

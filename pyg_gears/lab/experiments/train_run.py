"""One run of a grid: train, measure, write."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pyg_gears.data import EmbeddedSlide
from pyg_gears.data.whole_file import whole_file
from pyg_gears.lab.experiments.evaluations import EVALUATIONS, measure
from pyg_gears.lab.experiments.fold import Preparation
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.experiments.trained_run import TrainedRun
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.training.preparation import Prepared
from pyg_gears.training.structure_module import SELECTION_ENERGY, TrainingDiverged
from pyg_gears.training.structure_training import train_structure


@dataclass(frozen=True)
class RunTask:
    """What one run needs to know.

    Attributes:
        variant: Label of the variant.
        seed: Seed of the structure model: first weights, order, augmentation.
        preparation: Fold, protocol, recipe and embedding: what decides its encoder and minisets.
        measure: Further evaluations.
        device: Where the model is trained.
        record: File of its record; ``log.csv`` of the training goes beside it with the same stem.
        work: Folder of its checkpoints, gone when the run is finished.
    """

    variant: str
    seed: int
    preparation: Preparation
    measure: tuple[str, ...]
    device: str
    record: Path
    work: Path


def train_run(task: RunTask, prepared: Prepared, unseen: Sequence[EmbeddedSlide] = ()) -> RunRecord:
    """Train the structure model, measure it, write its record, and clear its checkpoints away.

    A run that was killed goes on from its last epoch. A training that diverges is a result too, and recorded as failed;
    an evaluation of something that the model lacks gives no numbers.

    Args:
        task: The run.
        prepared: Encoder and minisets of its fold.
        unseen: Slides that the fold has not seen, in its embedding.
    """
    recipe, log = task.preparation.recipe, task.work / "log.csv"
    record = RunRecord(
        variant=task.variant, protocol=task.preparation.protocol, fold=task.preparation.fold, seed=task.seed
    )
    resumed = task.work.exists()
    start = time.perf_counter()
    try:
        model = train_structure(
            recipe,
            prepared.train,
            prepared.validation,
            seed=task.seed,
            folder=task.work,
            projection=prepared.candidates.projection,
            progress=False,
            device=task.device,
        )
    except TrainingDiverged as error:
        record = record.change({"failed": str(error)})
    else:
        # The time of a resumed run would be that of its last part.
        seconds = {} if resumed else {"seconds": time.perf_counter() - start}
        run = TrainedRun(model, recipe, prepared, task.seed, tuple(unseen))
        numbers = {**measure(run), **epochs(log), **seconds}
        for name in task.measure:
            with contextlib.suppress(NotMeasurable):
                numbers |= {f"{name}: {key}": value for key, value in EVALUATIONS[name](run).items()}
        finite = {name: float(value) for name, value in numbers.items() if math.isfinite(value)}
        record = record.change({"numbers": finite})
    task.record.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        with whole_file(task.record.with_suffix(".csv")) as part:
            shutil.copy(log, part)
    record.write(task.record)
    shutil.rmtree(task.work)
    return record


def epochs(log: Path) -> dict[str, float]:
    """Number of the epoch whose weights the model has and of all epochs, counted from 1; the gate's drift at that epoch."""
    table = pd.read_csv(log)
    best = int(table[SELECTION_ENERGY].idxmin())
    drift = {"gate_drift": float(table["gate_drift"][best])} if "gate_drift" in table else {}
    return {"best_epoch": best + 1.0, "epochs": float(len(table)), **drift}

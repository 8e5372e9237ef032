"""One run of an encoder's training: a folder from which it goes on, a log, and a checkpoint after every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint

from pyg_gears.data.fingerprint import fingerprint
from pyg_gears.training.checkpoint import claim_folder
from pyg_gears.training.embedding_recipe import TrainedEmbedding
from pyg_gears.training.epoch_log import EpochLog
from pyg_gears.training.lightning_run import run
from pyg_gears.training.published_embedding_recipe import PublishedEmbedding


def run_encoder(
    module: LightningModule,
    recipe: TrainedEmbedding | PublishedEmbedding,
    *content: Any,
    folder: Path | None,
    steps: int,
    title: str = "encoder",
    validate: bool = True,
    progress: bool,
    device: torch.device | str,
) -> None:
    """Train an encoder's networks; afterwards the module is on the CPU.

    Args:
        module: What is trained.
        recipe: The embedding; an epoch is ``evaluate_every`` steps.
        content: All else that decides the result: a folder of another run is refused.
        folder: Folder of log and checkpoint, from which a stopped run goes on; none if omitted.
        steps: Steps to train, whole epochs or all steps of the recipe.
        title: What is trained, for lines of progress.
        validate: Measure the module after every epoch.
        progress: Show progress.
        device: Where to train.
    """
    callbacks, last = [], None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        # The adapter is fitted afterwards.
        chosen = recipe.model_dump(mode="json", exclude={"adapter"})
        claim_folder(folder, fingerprint(chosen, steps, *content), ours=("last.ckpt", "log.csv"))
        last = folder / "last.ckpt"
        callbacks = [
            EpochLog(folder / "log.csv"),
            # Not save_last: without a best of its own it would write at the end only.
            ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False),
        ]
    run(
        module,
        callbacks,
        progress=progress,
        title=title,
        limit_val_batches=1.0 if validate else 0,
        resume=last,
        max_epochs=-(-steps // recipe.evaluate_every),
        reload_dataloaders_every_n_epochs=1,
        device=device,
    )
    module.cpu()

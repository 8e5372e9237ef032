"""Train one structure model from first weights to the best epoch, resumable at every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor

from pyg_gears.data import MinisetDataset
from pyg_gears.data.whole_file import whole_file
from pyg_gears.models import GatedModel, StructureModel
from pyg_gears.training.build_model import build_model
from pyg_gears.training.epoch_log import EpochLog
from pyg_gears.training.lightning_run import run
from pyg_gears.training.pretraining_module import PretrainingModule
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.structure_module import CAPPED_ENERGY, SELECTION_ENERGY, StructureModule


def train_structure(
    recipe: Recipe,
    train: MinisetDataset,
    validation: MinisetDataset,
    *,
    seed: int,
    folder: Path,
    projection: Float[Tensor, "c d"] | None = None,
    progress: bool = True,
    device: torch.device | str = "cpu",
) -> StructureModel:
    """Pretrain the gate and the initial coordinates, train the model, and return the weights of the best validation epoch.

    A folder that already holds a checkpoint is resumed; on one device the result is that of an unbroken run.

    Args:
        recipe: The recipe.
        train: Training minisets.
        validation: Minisets of held-out spots.
        seed: Seed of the weights, the order and the augmentation.
        folder: Where checkpoints and ``log.csv`` go.
        projection: Projection that was learned for candidates and gate, shape (c, d), if there is one.
        progress: Show progress bars.
        device: Where the model is trained.

    Returns:
        The model, in eval mode, on the CPU.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = build_model(recipe, train.slides[0].x.size(1), seed, projection)
    finished = folder / "finished.pt"
    if finished.exists():  # early stopping leaves no trace in a checkpoint: asked again, it would train on
        model.load_state_dict(torch.load(finished, map_location="cpu", weights_only=True))
        return model.eval()
    last = folder / "last.ckpt"
    options: dict[str, Any] = {"device": torch.device(device), "gradient_clip_val": recipe.training.clip or None}
    if not last.exists() and isinstance(model, GatedModel):
        _pretrain(model, recipe, train, validation, seed, progress, options)
    module = StructureModule(model, recipe, train, validation, seed=seed)
    every_epoch: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}
    best = ModelCheckpoint(folder, "best", monitor=SELECTION_ENERGY, **every_epoch)
    # Apart from the best: `save_last` would only be written along with it.
    newest = ModelCheckpoint(folder, "last", **every_epoch)
    # Not strict: before the cap there is nothing to judge by, and no patience is lost.
    stop = EarlyStopping(
        CAPPED_ENERGY, patience=recipe.training.patience, strict=False, check_on_train_epoch_end=True, min_delta=0.0
    )
    callbacks = [EpochLog(folder / "log.csv"), stop, best, newest]
    run(module, callbacks, progress=progress, resume=last, max_epochs=recipe.training.epochs, **options)
    state = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model."  # a pretrained gate may lie beside it
    state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    model.cpu().load_state_dict(state)
    with whole_file(finished) as part:
        torch.save(model.state_dict(), part)
    return model.eval()


def _pretrain(
    model: GatedModel,
    recipe: Recipe,
    train: MinisetDataset,
    validation: MinisetDataset,
    seed: int,
    progress: bool,
    options: dict[str, Any],
) -> None:
    plan = recipe.training.pretraining
    if plan is None:
        return
    measure: dict[str, Any] = {"limit_val_batches": 0}
    if plan.evaluate_every is not None:
        measure = {"val_check_interval": plan.evaluate_every, "check_val_every_n_epoch": None}
    module = PretrainingModule(model, recipe, train, validation, seed=seed)
    run(module, [], progress=progress, max_steps=plan.steps, **measure, **options)

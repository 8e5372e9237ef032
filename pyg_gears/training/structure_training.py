"""Train one structure model from first weights to the best epoch, resumable at every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from pyg_gears.data import MinisetDataset
from pyg_gears.data.whole_file import whole_file
from pyg_gears.models import GatedModel, StructureModel
from pyg_gears.training.epoch_log import EpochLog
from pyg_gears.training.former_recipe import model_recipe
from pyg_gears.training.lightning_run import run
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.structure_module import STOPPING, StructureModule


def build_model(recipe: Recipe, in_channels: int, seed: int) -> StructureModel:
    """The structure model of a recipe, on the CPU, with first weights drawn by ``seed``; no random state changes."""
    # Not torch.manual_seed: that would seed the generators of all devices, which no fork of the CPU's gives back.
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return model_recipe(recipe.model, recipe.gate).build(in_channels)


def train_structure(
    recipe: Recipe,
    train: MinisetDataset,
    validation: MinisetDataset,
    *,
    seed: int,
    folder: Path,
    progress: bool = True,
    accelerator: str = "auto",
) -> StructureModel:
    """Pretrain the gate and the initial coordinates, train the model, and return the weights of the best validation epoch.

    A folder that already holds a checkpoint is resumed; on one device the result is that of an unbroken run.

    Args:
        recipe: The recipe.
        train: Training minisets.
        validation: Minisets of held-out spots.
        seed: Seed of the weights, the order and the augmentation.
        folder: Where checkpoints and ``log.csv`` go.
        progress: Show progress bars.
        accelerator: Lightning's name of the hardware.

    Returns:
        The model, in eval mode, on the CPU.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = build_model(recipe, train.slides[0].x.size(1), seed)
    assert isinstance(model, GatedModel), "training knows no other models yet"
    finished = folder / "finished.pt"
    if finished.exists():  # early stopping leaves no trace in a checkpoint: asked again, it would train on
        model.load_state_dict(torch.load(finished, map_location="cpu", weights_only=True))
        return model.eval()
    last = folder / "last.ckpt"
    options: dict[str, Any] = {"accelerator": accelerator, "gradient_clip_val": recipe.training.clip or None}
    if not last.exists() and recipe.training.pretrain_steps > 0:
        start = StructureModule(model, recipe, train, validation, seed=seed, pretrain=True)
        run(start, [], progress=progress, max_steps=recipe.training.pretrain_steps, limit_val_batches=0, **options)
    module = StructureModule(model, recipe, train, validation, seed=seed)
    best = ModelCheckpoint(folder, "best", monitor="h_gate", save_on_train_epoch_end=True, enable_version_counter=False)
    # Apart from the best: `save_last` would only be written along with it.
    newest = ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    patience = recipe.training.patience
    # Not strict: before the cap there is nothing to judge by, and no patience is lost.
    stop = EarlyStopping(STOPPING, patience=patience, strict=False, check_on_train_epoch_end=True, min_delta=0.0)
    callbacks = [EpochLog(folder / "log.csv"), stop, best, newest]
    run(module, callbacks, progress=progress, resume=last, max_epochs=recipe.training.epochs, **options)
    state = torch.load(folder / "best.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    prefix = "model."  # a pretrained gate may lie beside it
    state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    model.cpu().load_state_dict(state)
    with whole_file(finished) as part:
        torch.save(model.state_dict(), part)
    return model.eval()

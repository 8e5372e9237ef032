"""The last epochs of a structure model: on all slides, once nothing is left to be chosen by the held-out ones."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from pyg_gears.data import MinisetDataset
from pyg_gears.data.joined_minisets import JoinedMinisets
from pyg_gears.models import StructureModel
from pyg_gears.ranks import by_first, current_ranks
from pyg_gears.training.dealt_minisets import check_devices
from pyg_gears.training.lightning_run import run
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.sealed_file import read_kept, write_sealed
from pyg_gears.training.structure_module import StructureModule, TrainingDiverged


def train_on_all(
    model: StructureModel,
    recipe: Recipe,
    minisets: MinisetDataset | JoinedMinisets,
    *,
    seed: int,
    folder: Path,
    progress: bool = True,
    device: torch.device | str = "cpu",
) -> StructureModel:
    """Train a model on for ``training.final_epochs`` with the weights that its losses have at the end of the schedule.

    The learning rate falls once more from ``training.lr``. Nothing is validated: there is no spot left to do so. A folder that
    already holds a checkpoint is resumed. Processes that have met train one model together, as in
    :func:`~pyg_gears.training.structure_training.train_structure`.

    Args:
        model: The model of the best epoch; it stays as it is.
        recipe: The recipe.
        minisets: Minisets of all slides.
        seed: Seed of the order and the augmentation.
        folder: Where checkpoints go.
        progress: Show progress bars.
        device: Where the model is trained.

    Returns:
        The model, in eval mode, on the CPU.

    Raises:
        TrainingDiverged: when a weight is no longer finite.
        InputError: see :func:`~pyg_gears.training.dealt_minisets.check_devices`.
    """
    model, epochs = copy.deepcopy(model).train(), recipe.training.final_epochs
    if epochs == 0:
        return model.eval()
    check_devices(recipe)
    first = current_ranks().first
    if first:
        folder.mkdir(parents=True, exist_ok=True)
    finished = folder / "finished.pt"
    done = by_first(lambda: read_kept(finished))
    if done is None:
        module = StructureModule(model, recipe, minisets, minisets, seed=seed, first_epoch=recipe.training.epochs)
        run(
            module,
            [ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)],
            progress=progress,
            title=f"all slides {folder.parent.name}",
            resume=folder / "last.ckpt",
            device=torch.device(device),
            max_epochs=epochs,
            limit_val_batches=0,
            gradient_clip_val=recipe.training.clip or None,
            batches=recipe.training.devices,
        )
        done = {"model": model.cpu().state_dict()}
        if not all(bool(torch.isfinite(tensor).all()) for tensor in done["model"].values()):
            raise TrainingDiverged(
                "training diverged in the last epochs, on all slides: weights are no longer finite; lower training.lr, or set "
                "training.final_epochs to 0, and fit into another folder."
            )
        if first:
            write_sealed(finished, done)
    model.load_state_dict(done["model"])
    return model.eval()

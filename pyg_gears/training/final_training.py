"""The model that is kept: trained on all slides, once nothing is left to be chosen by the held-out ones."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from pyg_gears.data import MinisetDataset
from pyg_gears.models import GatedModel, StructureModel
from pyg_gears.ranks import by_first, current_ranks
from pyg_gears.training.lightning_run import run
from pyg_gears.training.pretraining import pretrain
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.sealed_file import read_kept, write_sealed
from pyg_gears.training.structure_module import StructureModule, TrainingDiverged
from pyg_gears.training.structure_start import FINISHED, run_options, start_structure


def train_on_all(
    recipe: Recipe,
    minisets: MinisetDataset,
    *,
    seed: int,
    folder: Path,
    projection: Float[Tensor, "c d"] | None = None,
    progress: bool = True,
    device: torch.device | str = "cpu",
) -> StructureModel:
    """Train a model from first weights for ``training.final_epochs``, and keep its last state.

    Nothing is validated: there is no spot left to do so. A folder that already holds a checkpoint is resumed. Processes that
    have met train one model together, as in :func:`~pyg_gears.training.structure_training.train_structure`.

    Args:
        recipe: The recipe, with ``training.final_epochs`` above zero.
        minisets: Minisets of all slides.
        seed: Seed of the weights, the order and the augmentation.
        folder: Where checkpoints go.
        projection: Projection that was learned for candidates and gate, shape (c, d), if there is one.
        progress: Show progress bars.
        device: Where the model is trained.

    Returns:
        The model, in eval mode, on the CPU.

    Raises:
        TrainingDiverged: when a weight is no longer finite.
        InputError: see :func:`~pyg_gears.training.dealt_minisets.check_devices`.
    """
    model, done = start_structure(recipe, minisets, seed, folder, projection)
    if done is None:
        last, options = folder / "last.ckpt", {"progress": progress, **run_options(recipe, device)}
        if isinstance(model, GatedModel) and by_first(lambda: read_kept(last) is None):
            pretrain(model, recipe, minisets, None, seed=seed, **options)
        run(
            StructureModule(model, recipe, minisets, None, seed=seed),
            [ModelCheckpoint(folder, "last", save_on_train_epoch_end=True, enable_version_counter=False)],
            title=f"all slides, structure model {folder.name}",
            resume=last,
            max_epochs=recipe.training.final_epochs,
            limit_val_batches=0,
            **options,
        )
        done = {"model": model.cpu().state_dict()}
        if not all(bool(torch.isfinite(tensor).all()) for tensor in done["model"].values()):
            raise TrainingDiverged(
                "training on all slides diverged: weights are no longer finite; lower training.lr, or set "
                "training.final_epochs to 0, and fit into another folder."
            )
        if current_ranks().first:
            write_sealed(folder / FINISHED, done)
    model.load_state_dict(done["model"])
    return model.eval()

"""Train one structure model from first weights to the best epoch, resumable at every epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor

from pyg_gears.data import MinisetDataset
from pyg_gears.models import GatedModel, StructureModel
from pyg_gears.ranks import by_first, current_ranks
from pyg_gears.training.epoch_log import EpochLog
from pyg_gears.training.lightning_run import run
from pyg_gears.training.pretraining import pretrain
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.sealed_file import read_kept, read_sealed, write_sealed
from pyg_gears.training.structure_module import CAPPED_ENERGY, SELECTION_ENERGY, StructureModule
from pyg_gears.training.structure_start import FINISHED, run_options, start_structure


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

    A folder that already holds a checkpoint is resumed; on one device the result is that of an unbroken run. Damaged files in it
    are made anew. Processes that have met (:mod:`pyg_gears.ranks`) train one model together, all with the same arguments; the
    first one alone reads and writes the folder.

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

    Raises:
        InputError: see :func:`~pyg_gears.training.dealt_minisets.check_devices`.
    """
    model, done = start_structure(recipe, train, seed, folder, projection)
    log = EpochLog(folder / "log.csv")
    if done is not None:
        model.load_state_dict(done["model"])
        log.load_state_dict(done["log"])
        return model.eval()
    last, best = folder / "last.ckpt", folder / "best.ckpt"
    newest = by_first(lambda: _newest(last, best))
    if newest is not None and _stopped(newest, recipe.training.patience):
        # Asked again, Lightning would train on.
        log.load_state_dict(newest["callbacks"][log.state_key])
    else:
        options = run_options(recipe, device)
        if newest is None and isinstance(model, GatedModel):
            pretrain(model, recipe, train, validation, seed=seed, progress=progress, **options)
        module = StructureModule(model, recipe, train, validation, seed=seed)
        every_epoch: dict[str, Any] = {"save_on_train_epoch_end": True, "enable_version_counter": False}
        callbacks = [
            log,
            # Not strict: before the cap there is nothing to judge by, and no patience is lost.
            EarlyStopping(
                CAPPED_ENERGY,
                patience=recipe.training.patience,
                strict=False,
                check_on_train_epoch_end=True,
                min_delta=0.0,
            ),
            ModelCheckpoint(folder, "best", monitor=SELECTION_ENERGY, **every_epoch),
            # Apart from the best: `save_last` would only be written along with it.
            ModelCheckpoint(folder, "last", **every_epoch),
        ]
        run(
            module,
            callbacks,
            progress=progress,
            title=f"structure model {folder.name}",
            resume=last,
            max_epochs=recipe.training.epochs,
            **options,
        )
    state = by_first(lambda: read_sealed(best).content["state_dict"])
    prefix = "model."  # a pretrained gate may lie beside it
    state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    model.cpu().load_state_dict(state)
    if current_ranks().first:
        write_sealed(folder / FINISHED, {"model": model.state_dict(), "log": log.state_dict()})
    return model.eval()


def kept_energies(folder: Path) -> dict[str, float]:
    """E_geo on validation at the epoch that was kept, with the inferred graph ("h_gate") and with the true one ("t_edge").

    Args:
        folder: Where :func:`train_structure` has finished.
    """
    rows = read_sealed(folder / FINISHED).content["log"]["rows"]
    best = min(rows, key=lambda row: float(row[SELECTION_ENERGY]))
    return {name: float(best[name]) for name in ("h_gate", "t_edge")}


def _newest(last: Path, best: Path) -> dict[str, Any] | None:
    """The last checkpoint, unless it or the best one is missing or damaged: the one is of no use without the other."""
    newest: dict[str, Any] | None = read_kept(last)
    if newest is None or read_kept(best) is None:
        last.unlink(missing_ok=True)
        return None
    return newest


def _stopped(checkpoint: dict[str, Any], patience: int) -> bool:
    """Whether the training ended early with this checkpoint."""
    states = [state for name, state in checkpoint["callbacks"].items() if name.startswith("EarlyStopping")]
    return any(state["wait_count"] >= patience for state in states)

"""What the trainings of both rounds begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data import MinisetDataset
from pyg_gears.models import StructureModel
from pyg_gears.ranks import by_first, current_ranks
from pyg_gears.training.build_model import build_model
from pyg_gears.training.dealt_minisets import check_devices
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.sealed_file import read_kept

FINISHED = "finished.pt"
"""The file of a folder that holds a model whose training has ended."""


def start_structure(
    recipe: Recipe, minisets: MinisetDataset, seed: int, folder: Path, projection: Float[Tensor, "c d"] | None
) -> tuple[StructureModel, Any | None]:
    """Make the folder, and the model with first weights; the second value is what the folder holds of a finished training.

    Raises:
        InputError: see :func:`~pyg_gears.training.dealt_minisets.check_devices`.
    """
    check_devices(recipe)
    if current_ranks().first:
        folder.mkdir(parents=True, exist_ok=True)
    model = build_model(recipe, minisets.slides[0].x.size(1), seed, projection)
    return model, by_first(lambda: read_kept(folder / FINISHED))


def run_options(recipe: Recipe, device: torch.device | str) -> dict[str, Any]:
    """Arguments of :func:`~pyg_gears.training.lightning_run.run` for pretraining and training alike."""
    training = recipe.training
    return {"device": device, "gradient_clip_val": training.clip or None, "batches": training.devices}

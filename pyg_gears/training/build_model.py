"""The structure model of a recipe, with first weights drawn by a seed."""

from __future__ import annotations

import torch

from pyg_gears.models import StructureModel
from pyg_gears.training.recipe import Recipe


def build_model(recipe: Recipe, in_channels: int, seed: int) -> StructureModel:
    """The structure model of a recipe with first weights drawn by ``seed``; no global random state is touched.

    Args:
        recipe: The recipe; ``model`` names the kind.
        in_channels: Channels c of the embedding.
        seed: Same seed, same weights.

    Raises:
        InputError: for choices that this kind of model cannot combine.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(list(devices)):
        torch.manual_seed(seed)
        return recipe.model.build(in_channels)

"""The structure model of a recipe, with first weights drawn by a seed."""

from __future__ import annotations

import torch

from pyg_gears.models import StructureModel
from pyg_gears.training.recipe import Recipe


def build_model(recipe: Recipe, in_channels: int, seed: int) -> StructureModel:
    """The structure model of a recipe, on the CPU, with first weights drawn by ``seed``; no random state changes.

    Args:
        recipe: The recipe; ``model`` names the kind.
        in_channels: Channels c of the embedding.
        seed: Same seed, same weights.

    Raises:
        InputError: for choices that this kind of model cannot combine.
    """
    # Not torch.manual_seed: that would seed the generators of all devices, which no fork of the CPU's gives back.
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return recipe.model.build(in_channels)

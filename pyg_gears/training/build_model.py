"""The structure model of a recipe, with first weights drawn by a seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.models import GatedModel, StructureModel
from pyg_gears.nn import ProjectedGate
from pyg_gears.training.recipe import Recipe


@contextmanager
def seeded_weights(seed: int) -> Iterator[None]:
    """Draw from torch's global CPU generator as if it had just been seeded; afterwards it is as it was."""
    # Not torch.manual_seed: that would seed the generators of all devices, which no fork of the CPU's gives back.
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def build_model(
    recipe: Recipe, in_channels: int, seed: int, projection: Float[Tensor, "c d"] | None = None
) -> StructureModel:
    """The structure model of a recipe, on the CPU, with first weights drawn by ``seed``; no random state changes.

    Args:
        recipe: The recipe; ``model`` names the kind.
        in_channels: Channels c of the embedding.
        seed: Same seed, same weights.
        projection: Projection that was learned for the gate (``model.gate.projection``), shape (c, d).

    Raises:
        InputError: for choices that this kind of model cannot combine.
    """
    with seeded_weights(seed):
        model = recipe.model.build(in_channels)
    if projection is not None and isinstance(model, GatedModel) and isinstance(model.gate, ProjectedGate):
        model.gate.set_projection(projection)
    return model

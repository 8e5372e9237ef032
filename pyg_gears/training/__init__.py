"""Training: the recipe, the gate alone, then the structure model; Lightning runs the loops."""

from __future__ import annotations

from pyg_gears.training.recipe import (
    EmbeddingRecipe,
    GraphRecipe,
    LossRecipe,
    ModelRecipe,
    Recipe,
    TrainingRecipe,
)

__all__ = ["EmbeddingRecipe", "GraphRecipe", "LossRecipe", "ModelRecipe", "Recipe", "TrainingRecipe"]

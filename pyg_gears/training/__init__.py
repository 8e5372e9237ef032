"""Training: the recipe, the gate alone, then the structure model; Lightning runs the loops."""

from __future__ import annotations

from pyg_gears.training.model_recipe import GateRecipe, GraphRecipe, LossRecipe, ModelRecipe
from pyg_gears.training.recipe import Recipe, TrainingRecipe

__all__ = ["GateRecipe", "GraphRecipe", "LossRecipe", "ModelRecipe", "Recipe", "TrainingRecipe"]

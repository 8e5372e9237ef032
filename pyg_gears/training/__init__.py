"""Training: the recipe, the gate alone, then the structure model; Lightning runs the loops."""

from __future__ import annotations

from pyg_gears.training.graph_recipe import GraphRecipe
from pyg_gears.training.loss_recipe import LossRecipe
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.training_recipe import Pretraining, TrainingRecipe

__all__ = ["GraphRecipe", "LossRecipe", "Pretraining", "Recipe", "TrainingRecipe"]

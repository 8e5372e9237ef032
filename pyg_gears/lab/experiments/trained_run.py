"""What an evaluation gets to see: one trained model, its recipe, its minisets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.data import EmbeddedSlide
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.lab.probes.evaluation_batches import evaluation_batches
from pyg_gears.losses import geometric_energy
from pyg_gears.models import GatedModel, RecyclingModel, StructureModel
from pyg_gears.training.preparation import Prepared
from pyg_gears.training.recipe import Recipe

MINISETS = 50
"""Validation minisets, the first by number, on which evaluations run; the energies of a run come from all of them."""


class TrainedRun(NamedTuple):
    """One run of a grid after training.

    Attributes:
        model: The trained model, in eval mode.
        recipe: Recipe of its variant.
        prepared: Minisets of its fold.
        seed: Seed of the model.
        unseen: Embedded slides that no part of the fold has seen.
    """

    model: StructureModel
    recipe: Recipe
    prepared: Prepared
    seed: int
    unseen: tuple[EmbeddedSlide, ...] = ()

    @property
    def gated(self) -> GatedModel:
        """The model, if it has a gate.

        Raises:
            NotMeasurable: when it has none.
        """
        if not isinstance(self.model, GatedModel):
            raise NotMeasurable(
                f"expected a model with a gate, found {type(self.model).__name__}; train a gated model."
            )
        return self.model

    @property
    def recycling(self) -> RecyclingModel:
        """The model, if it has rounds of attention.

        Raises:
            NotMeasurable: when it has none.
        """
        if not isinstance(self.model, RecyclingModel):
            name = type(self.model).__name__
            raise NotMeasurable(f"expected a model with rounds of attention, found {name}; train an attention model.")
        return self.model

    @property
    def minisets(self) -> list[Data]:
        """The first validation minisets."""
        validation = self.prepared.validation
        return [validation[i] for i in range(min(MINISETS, len(validation)))]

    def energies(self, layouts: Callable[[Any], dict[str, Tensor]]) -> dict[str, float]:
        """Mean E_geo over the first validation minisets of every layout of a batch.

        Args:
            layouts: From a batch to named coordinates, shape (n, 2) each; called without gradients.
        """
        total: dict[str, float] = {}
        count = 0
        with evaluation_batches(self.model, self.minisets, self.recipe.training.node_budget) as batches:
            for _, batch in batches:
                count += batch.num_graphs
                for name, pos in layouts(batch).items():
                    energy = float(geometric_energy(pos, batch)) * batch.num_graphs
                    total[name] = total.get(name, 0.0) + energy
        return {name: value / count for name, value in total.items()}

"""What every structure model is: a batch in, a geometry out, and what training has to know about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn.inits import reset

from pyg_gears.models.structure_output import StructureOutput


class StructureModel(torch.nn.Module, ABC):
    """Geometry from an embedding and its candidate graph.

    A concrete model is permutation equivariant, and what it proposes for a graph does not depend on the other graphs of
    the batch.

    Args:
        in_channels: Channels c of the embedding ``x``.

    Attributes:
        generates: What the output holds: "coordinates" (losses on coordinates apply), "operator" or "distances" (the model
            brings loss terms of its own).
        samples: Whether repeated calls on one input differ (with ``noise`` above 0), so that their spread has a meaning.
        reads_edges: Whether messages travel on the edges; without, one graph is as good as another, the true one too.
        needs: Fields of the batch, beside ``x`` and ``edge_index``, that the model's own terms need in training.
        noise: Scale of the noise in training and of further samples, where the model draws any.
    """

    generates: ClassVar[Literal["coordinates", "operator", "distances"]] = "coordinates"
    samples: ClassVar[bool] = False
    reads_edges: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset()
    noise: float

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels = in_channels

    @abstractmethod
    def forward(
        self,
        batch: Any,
        *,
        edge_index: Int[Tensor, "2 e"] | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Propose a geometry for every graph of a batch.

        Args:
            batch: PyG Batch, or a single Data, with ``x`` (n, c) and ``edge_index`` (2, e).
            edge_index: Edges to travel on instead of the batch's own.
            noise: Scale of the noise that makes samples differ; by default the model's in training mode and 0 otherwise.
            generator: Source of the noise, on the CPU; torch's global one if omitted.

        Returns:
            The geometry.
        """

    def noise_scale(self, noise: float | None) -> float:
        """The ``noise`` of a call; if omitted the model's in training mode, 0 otherwise."""
        if noise is not None:
            return noise
        return self.noise if self.training else 0.0

    def loss_terms(
        self, output: StructureOutput, batch: Any, generator: torch.Generator | None = None
    ) -> Mapping[str, tuple[float, Tensor]]:
        """Terms that this model adds to the training loss: name to weight and value. None by default.

        Args:
            output: What the model proposed for the batch.
            batch: The batch, with the fields in ``needs``.
            generator: Source of random draws, on the CPU; torch's global one if omitted.
        """
        return {}

    def begin_training(self, steps: int) -> None:
        """Called before the first step of a training, and again when it is resumed; nothing to do by default.

        Args:
            steps: Optimiser steps that are planned.
        """
        return

    def learning_rates(self) -> list[tuple[list[Parameter], float]]:
        """Parameters whose learning rate is a multiple of the recipe's, with that factor; none by default."""
        return []

    def pretraining_parameters(self, coordinates: bool) -> list[Parameter]:
        """Parameters that can be trained before the model as a whole; none by default.

        Args:
            coordinates: Whether those of the initial coordinates belong to them.
        """
        return []

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        for child in self.children():
            reset(child)

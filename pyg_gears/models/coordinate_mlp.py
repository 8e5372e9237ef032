"""The least a structure model can be: a place from each embedding, no neighbour asked."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from pyg_gears.geometry import gauge_fix
from pyg_gears.models.gated_model import initial_noise
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn.perceptron import Perceptron


class CoordinateMLP(StructureModel):
    r"""Coordinates from each node's embedding alone, :math:`x = \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise})`.

    What every other model has to beat: it reads no edge and no other node.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of the hidden layer.
        noise: Standard deviation of the noise on the coordinates in training mode, in the unit of the raw guess.
    """

    samples: ClassVar[bool] = True
    reads_edges: ClassVar[bool] = False

    def __init__(self, in_channels: int, hidden_channels: int = 64, noise: float = 0.05) -> None:
        super().__init__(in_channels)
        self.noise = noise
        self.embed_pos = Perceptron(in_channels, hidden_channels, 2)

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Int[Tensor, "2 e"] | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`StructureModel.forward`; the edges are passed on, not read."""
        graphs = read_graphs(batch, edge_index, self.in_channels, self.embed_pos.first.weight)
        guess = self.embed_pos(graphs.x).to(graphs.x.dtype)
        std = self.noise_scale(noise)
        pos = gauge_fix(guess + initial_noise(guess, std, generator), graphs.batch, graphs.num_graphs)
        return StructureOutput(graphs.edge_index, (pos,))

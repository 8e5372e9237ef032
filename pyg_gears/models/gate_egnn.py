"""The stable fallback: a few equivariant steps along the gate, without attention."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import ModuleList

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs.segment_softmax import segment_softmax
from pyg_gears.models.gated_model import GatedModel
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn import AttentionBias, EdgeGate, EGNNConv


class GateEGNN(GatedModel):
    r"""Coordinates from an embedding and its candidate graph, by message passing weighed by the gate alone.

    .. math::
        g &= \mathrm{Gate}(H), \quad w_{ij} = \mathrm{softmax}_{j \to i, j \neq i}(\beta g_{ij}), \quad
        s^0 = \mathrm{MLP}(H) \\
        x^0 &= \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s^{r+1}, \tilde x) &= \mathrm{EGNNConv}_r(s^r, x^r, w), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    There is nothing that could saturate but the gate. Turning or mirroring the initial coordinates turns or mirrors the
    result. Self-loops carry no weight. At c = 128 with the defaults 251,426 parameters, and 37,057 of the gate.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels of the node state and of the messages.
        steps: Number of layers, one after the other.
        beta: Weight of the gate.
        step: Step size of the coordinates.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        gate: Network (x, edge_index, batch) -> (e,) or (e, heads), 0 on self-loops; an :class:`pyg_gears.nn.EdgeGate` if
            omitted. The weights of heads are averaged.

    Raises:
        InputError: for fewer than one step.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 96,
        steps: int = 3,
        beta: float = 2.0,
        step: float = 1.0,
        noise: float = 0.05,
        gate: torch.nn.Module | None = None,
    ) -> None:
        expect(steps >= 1, f"expected at least one step, found {steps}; ask for one or more.")
        gate = EdgeGate(in_channels) if gate is None else gate
        super().__init__(in_channels, hidden_channels, gate, beta, noise)
        self.layers = ModuleList(EGNNConv(hidden_channels, step=step) for _ in range(steps))

    def forward(
        self,
        batch: Any,
        *,
        edge_index: Int[Tensor, "2 e"] | None = None,
        noise: float | None = None,
        generator: torch.Generator | None = None,
        gate_logits: Tensor | None = None,
        use_gate: bool = True,
        beta: float | None = None,
        detach_gate: bool = False,
    ) -> StructureOutput:
        """Lay out every graph of a batch, see :meth:`GatedModel.forward`; without a gate all edges weigh the same."""
        start = self._start(batch, edge_index, noise, generator, gate_logits, use_gate, beta, detach_gate)
        graphs, state, pos = start.graphs, start.state, start.pos
        weight = _weights(start.bias, pos)
        coordinates = [pos]
        for layer in self.layers:
            state, pos = layer(state, pos, graphs.edge_index, weight)
            pos = gauge_fix(pos, graphs.batch, graphs.num_graphs)
            coordinates.append(pos)
        return StructureOutput(
            edge_index=graphs.edge_index, coordinates=tuple(coordinates), state=state, gate_logits=start.gate_logits
        )


def _weights(bias: AttentionBias, pos: Tensor) -> Tensor:
    """Softmax of the bias over the edges that enter a node, self-loops without weight, mean over heads, shape (e,)."""
    source, target = bias.edge_index
    logits = bias.logits(pos.dtype)
    if logits is None:
        logits = pos.new_zeros(source.numel(), 1)
    logits = logits.masked_fill((source == target)[:, None], -torch.inf)
    return segment_softmax(logits, target, pos.size(0)).mean(dim=1)

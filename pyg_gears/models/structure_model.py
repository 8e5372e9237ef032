"""What all structure models are: networks for gate, first state and first coordinates, and rounds of attention."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import GELU, Linear, ModuleList, Sequential

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.models.base import StructureOutput, initial_noise, read_gate, read_graphs
from pyg_gears.models.recycling import Recycle, run_recycles
from pyg_gears.nn import PairBias


class StructureModel(torch.nn.Module, ABC):
    r"""Coordinates from an embedding and its candidate graph.

    .. math::
        g &= \mathrm{Gate}(H), \quad s^0 = \mathrm{MLP}(H) \\
        x^0 &= \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s^{r+1}, \tilde x) &= \mathrm{IPAConv}_r(s^r, x^r, \beta g), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    A concrete model says what its rounds are. Every result is permutation equivariant, and a graph's layout does not depend
    on the other graphs of the batch.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        recycles: Number of rounds.
        gate: Network (x (n, c), edge_index (2, e)) -> logits (e,) or (e, h), 0 on self-loops.
        beta: Weight of the gate in the attention logits.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        detach: Stop the gradient between recycles (coordinates and states).

    Raises:
        InputError: for a recycle count below 1.
    """

    blocks: ModuleList
    pair: PairBias | None

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        recycles: int,
        gate: torch.nn.Module,
        beta: float,
        noise: float,
        detach: bool,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        expect(recycles >= 1, f"{name} expected at least one recycle, found {recycles}; ask for one or more.")
        self.in_channels, self.recycles = in_channels, recycles
        self.beta, self.noise, self.detach = beta, noise, detach
        self.gate = gate
        wide = 2 * hidden_channels
        self.embed_state = Sequential(Linear(in_channels, wide), GELU(), Linear(wide, hidden_channels))
        self.embed_pos = Sequential(Linear(in_channels, hidden_channels), GELU(), Linear(hidden_channels, 2))

    @abstractmethod
    def rounds(self, gate: Tensor | None, beta: float, step_scale: float) -> list[Recycle]:
        """The rounds of one call.

        Args:
            gate: Gate logits, shape (e,) or (e, h), or None without a gate.
            beta: Their weight.
            step_scale: Factor of all step sizes of the coordinates.
        """

    def forward(
        self,
        batch: Any,
        edge_index: Int[Tensor, "2 e"] | None = None,
        gate_logits: Tensor | None = None,
        use_gate: bool = True,
        noise: float | None = None,
        generator: torch.Generator | None = None,
        *,
        beta: float | None = None,
        detach_gate: bool = False,
        step_scale: float = 1.0,
        attention: str = "learned",
        return_terms: bool = False,
    ) -> StructureOutput:
        """Lay out every graph of a batch.

        Args:
            batch: PyG Batch, or a single Data, with ``x`` (n, c) and ``edge_index`` (2, e).
            edge_index: Edges to travel on instead of the batch's own (an oracle graph).
            gate_logits: Gate logits on these edges, shape (e,) or (e, h); computed by the model's gate if omitted.
            use_gate: False leaves the gate out (its bias is 0).
            noise: Standard deviation of the initial noise; by default the model's in training mode and 0 otherwise.
            generator: Source of the noise; torch's global one if omitted.
            beta: Weight of the gate in this call; the model's if omitted.
            detach_gate: Stop the gradient from the layout to the gate; the gate logits returned keep theirs.
            step_scale: Factor of all step sizes of the coordinates in this call.
            attention: "learned", or an intervention from the second recycle on: "uniform_after_first" (all incoming
                edges of a node, its self-loop too, weigh the same), "gate_only_after_first" (only the gate decides).
            return_terms: Return the attention terms of each recycle (slower: they live on the edges).

        Returns:
            The layout, its trajectory and the gate logits.

        Raises:
            InputError: when the embedding does not fit the model, when the gate logits belong to other edges or are
                given together with ``use_gate=False``, or when ``attention`` is unknown.
        """
        graphs = read_graphs(batch, edge_index, self.in_channels)
        logits = read_gate(self.gate, graphs, gate_logits, use_gate)
        heard = logits.detach() if detach_gate and logits is not None else logits
        guess = self.embed_pos(graphs.x)
        std = noise if noise is not None else (self.noise if self.training else 0.0)
        return run_recycles(
            self.rounds(heard, self.beta if beta is None else beta, step_scale),
            self.embed_state(graphs.x),
            gauge_fix(guess + initial_noise(guess, std, generator), graphs.batch, graphs.num_graphs),
            graphs,
            logits,
            None if self.pair is None else self.pair(graphs.x, graphs.edge_index),
            attention=attention,
            detach=self.detach,
            return_terms=return_terms,
        )

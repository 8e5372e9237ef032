"""Structure models that refine their coordinates by rounds of attention."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, cast

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn import ModuleList

from pyg_gears.errors import expect
from pyg_gears.models.gated_model import GatedModel, Start
from pyg_gears.models.recycling import Intervention, Round, intervene, run_rounds
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn import IPAConv


class RecyclingModel(GatedModel):
    r"""A gated model that recycles: every round attends over the candidates and moves the coordinates.

    .. math::
        (s^{r+1}, \tilde x) = \mathrm{IPAConv}_r(s^r, x^r, \beta g), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    A concrete model defines its rounds.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        recycles: Number of rounds.
        gate: Network (x, edge_index, batch) -> logits (e,) or (e, h), 0 on self-loops.
        beta: Weight of the gate in the attention logits.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        detach: Stop the gradient between recycles (coordinates and states); only losses on the whole trajectory then
            reach the first ones.

    Raises:
        InputError: for a recycle count below 1.
    """

    blocks: ModuleList

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
        expect(recycles >= 1, f"expected at least one recycle, found {recycles}; ask for one or more.")
        super().__init__(in_channels, hidden_channels, gate, beta, noise)
        self.recycles, self.detach = recycles, detach

    @abstractmethod
    def rounds(self, start: Start, step_scale: float) -> list[Round]:
        """The rounds of one call.

        Args:
            start: Edges and gate (in ``start.bias``), first states and coordinates.
            step_scale: Factor of all step sizes of the coordinates.
        """

    def block(self, recycle: int) -> IPAConv:
        """The block of a round: the only one each time, or one each."""
        return cast(IPAConv, self.blocks[recycle % len(self.blocks)])

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
        step_scale: float = 1.0,
        attention: Intervention = "learned",
        return_terms: bool = False,
    ) -> StructureOutput:
        """Lay out every graph of a batch.

        Args:
            batch: As in :meth:`GatedModel.forward`.
            edge_index: As in :meth:`GatedModel.forward`.
            noise: As in :meth:`GatedModel.forward`.
            generator: As in :meth:`GatedModel.forward`.
            gate_logits: As in :meth:`GatedModel.forward`.
            use_gate: As in :meth:`GatedModel.forward`.
            beta: As in :meth:`GatedModel.forward`.
            detach_gate: As in :meth:`GatedModel.forward`.
            step_scale: Factor of all step sizes of the coordinates in this call.
            attention: "learned" (as the model is built), or an intervention from the second recycle on:
                "uniform_after_first" (all incoming edges of a node, its self-loop too, weigh the same),
                "gate_only_after_first" (only the gate decides).
            return_terms: Return the attention terms of each recycle (slower: they live on the edges).

        Returns:
            The layout, its trajectory and the gate logits.

        Raises:
            InputError: as in :meth:`GatedModel.forward`, and when ``attention`` is unknown.
        """
        start = self._start(batch, edge_index, noise, generator, gate_logits, use_gate, beta, detach_gate)
        rounds = intervene(self.rounds(start, step_scale), attention)
        return run_rounds(rounds, start, detach=self.detach, return_terms=return_terms)

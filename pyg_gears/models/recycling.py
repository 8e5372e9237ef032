"""Rounds of a recycling model: attend, move, fix the gauge, again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.models.gated_model import Start
from pyg_gears.models.structure_output import StructureOutput
from pyg_gears.nn import AttentionBias, AttentionTerms, IPAConv

Intervention = Literal["learned", "uniform_after_first", "gate_only_after_first"]
INTERVENTIONS: tuple[Intervention, ...] = ("learned", "uniform_after_first", "gate_only_after_first")


@dataclass(frozen=True)
class Round(ABC):
    """One round: the bias in its logits and its step size."""

    bias: AttentionBias
    step: float | Tensor

    @abstractmethod
    def run(self, state: Tensor, pos: Tensor, return_terms: bool) -> tuple[Tensor, Tensor, AttentionTerms | None]:
        """New states (n, c) and coordinates (n, 2), and where asked for the terms of the logits."""

    def only(self, bias: AttentionBias) -> Self:
        """The same round with nothing but this bias in its logits."""
        return replace(self, bias=bias)


@dataclass(frozen=True)
class AttentionRound(Round):
    """A round of invariant point attention."""

    block: IPAConv
    use_qk: bool = True
    use_geo: bool = True

    def run(self, state: Tensor, pos: Tensor, return_terms: bool) -> tuple[Tensor, Tensor, AttentionTerms | None]:
        """Attend once."""
        state, pos, *terms = self.block(
            state,
            pos,
            self.bias.edge_index,
            bias=self.bias,
            use_qk=self.use_qk,
            use_geo=self.use_geo,
            step=self.step,
            return_terms=return_terms,
        )
        return state, pos, terms[0] if terms else None

    def only(self, bias: AttentionBias) -> Self:
        """The same round without q.k and geometry."""
        return replace(self, bias=bias, use_qk=False, use_geo=False)


def intervene(rounds: Sequence[Round], intervention: Intervention) -> list[Round]:
    """From the second round on, leave nothing but the gate in the logits, or nothing at all.

    Args:
        rounds: The rounds.
        intervention: "learned" (as they are), "gate_only_after_first", or "uniform_after_first" (all edges that enter a
            node, its self-loop too, weigh the same).

    Raises:
        InputError: for an unknown one.
    """
    expect(
        intervention in INTERVENTIONS,
        f"expected attention among {', '.join(INTERVENTIONS)}, found {intervention!r}; name one of them.",
    )
    if intervention == "learned":
        return list(rounds)
    reduced: dict[int, AttentionBias] = {}  # rounds that share a bias share what is left of it

    def left_of(bias: AttentionBias) -> AttentionBias:
        if id(bias) not in reduced:
            gate = bias.gate_logits if intervention == "gate_only_after_first" else None
            reduced[id(bias)] = replace(bias, gate_logits=gate, pair_bias=None, kept=None)
        return reduced[id(bias)]

    return [rounds[0], *(part.only(left_of(part.bias)) for part in rounds[1:])]


def run_rounds(
    rounds: Sequence[Round], start: Start, *, detach: bool = False, return_terms: bool = False
) -> StructureOutput:
    r"""Run every round in turn and fix the gauge after each.

    .. math:: (s^{r+1}, \tilde x) = \mathrm{round}_r(s^r, x^r), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    Args:
        rounds: The rounds.
        start: First states and coordinates.
        detach: Stop the gradient of states and coordinates between two rounds.
        return_terms: Return the attention terms of each round.

    Returns:
        The layout.
    """
    graphs, state, pos = start.graphs, start.state, start.pos
    coordinates, terms = [pos], []
    for number, part in enumerate(rounds):
        if detach and number > 0:
            state, pos = state.detach(), pos.detach()
        state, pos, found = part.run(state, pos, return_terms)
        pos = gauge_fix(pos, graphs.batch, graphs.num_graphs)
        coordinates.append(pos)
        terms += [] if found is None else [found]
    return StructureOutput(
        edge_index=graphs.edge_index,
        coordinates=tuple(coordinates),
        state=state,
        gate_logits=start.gate_logits,
        terms=tuple(terms) if return_terms else None,
    )

"""The loop that all structure models share: attend, move, fix the gauge, again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import gauge_fix
from pyg_gears.models.base import GraphInput, StructureOutput
from pyg_gears.nn import IPAConv, PaddedGraphs, pad_graphs
from pyg_gears.nn.ipa_conv import AttentionMode

AFTER_FIRST: dict[str, AttentionMode] = {
    "learned": "learned",
    "uniform_after_first": "uniform",
    "gate_only_after_first": "gate_only",
}
"""What the attention is made of from the second recycle on."""


@dataclass(frozen=True)
class Recycle:
    """One round: the layer, the weighted gate in its logits (e,) or (e, h), its step size, whether geometry speaks.

    Rounds that share a gate term hold the same tensor: it is laid out once.
    """

    block: IPAConv
    gate: Tensor | None
    step: float | Tensor
    use_geo: bool = True


def run_recycles(
    rounds: Sequence[Recycle],
    state: Float[Tensor, "n c"],
    pos: Float[Tensor, "n 2"],
    graphs: GraphInput,
    gate_logits: Tensor | None,
    pair_bias: Float[Tensor, "e h"] | None = None,
    *,
    attention: str = "learned",
    detach: bool = False,
    return_terms: bool = False,
) -> StructureOutput:
    r"""Run every round in turn.

    .. math:: (s^{r+1}, \tilde x) = \mathrm{IPAConv}_r(s^r, x^r, g_r), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    Args:
        rounds: What each round is made of; their blocks have one layout and ``beta`` = 1.
        state: Initial node state, shape (n, c).
        pos: Initial coordinates, gauge-fixed, shape (n, 2).
        graphs: The graphs.
        gate_logits: Logits of the gate, for the output.
        pair_bias: Bias of every round per edge and head, shape (e, h).
        attention: A key of :data:`AFTER_FIRST`.
        detach: Stop the gradient of states and coordinates between two rounds.
        return_terms: Return the attention terms of each round.

    Returns:
        The layout.

    Raises:
        InputError: when ``attention`` is unknown.
    """
    expect(
        attention in AFTER_FIRST,
        f"expected attention among {', '.join(AFTER_FIRST)}, found {attention!r}; name one of them.",
    )
    edges, initial = graphs.edge_index, pos
    layout = rounds[0].block.layout
    dense = layout != "edge" and not return_terms and not torch.compiler.is_compiling()
    padded: PaddedGraphs | None = None
    laid_out: tuple[AttentionMode, Tensor | None] | None = None
    trajectory, terms = [], []
    for number, part in enumerate(rounds):
        mode = "learned" if number == 0 else AFTER_FIRST[attention]
        if dense and (laid_out is None or mode != laid_out[0] or part.gate is not laid_out[1]):
            bias = _bias(part.gate, pair_bias, mode)
            if laid_out is None:
                padded = pad_graphs(edges, pos.size(0), graphs.batch, bias, pos.dtype, auto=layout == "auto")
            elif padded is not None:
                padded = padded.with_bias(bias)
            laid_out = mode, part.gate
        if detach and number > 0:
            state, pos = state.detach(), pos.detach()
        state, pos, *extra = part.block(
            state,
            pos,
            edges,
            part.gate,
            graphs.batch,
            padded=padded,
            use_geo=part.use_geo,
            pair_bias=pair_bias,
            step=part.step,
            attention=mode,
            return_terms=return_terms,
        )
        pos = gauge_fix(pos, graphs.batch, graphs.num_graphs)
        trajectory.append(pos)
        terms += extra
    return StructureOutput(
        pos=pos,
        trajectory=tuple(trajectory),
        initial=initial,
        state=state,
        gate_logits=gate_logits,
        edge_index=edges,
        terms=tuple(terms) if return_terms else None,
    )


def blocks_of(blocks: torch.nn.ModuleList, recycles: int) -> list[IPAConv]:
    """The block of every round: the only one each time, or one each."""
    return [cast(IPAConv, blocks[number % len(blocks)]) for number in range(recycles)]


def _bias(gate: Tensor | None, pair_bias: Tensor | None, mode: AttentionMode) -> Tensor | None:
    """What a round adds to its logits on the edges, (e,) or (e, h)."""
    if mode != "learned":
        return gate if mode == "gate_only" else None
    if gate is None or pair_bias is None:
        return pair_bias if gate is None else gate
    return (gate[:, None] if gate.dim() == 1 else gate) + pair_bias

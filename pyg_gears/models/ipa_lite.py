"""The light structure model: a gate, an initial guess, and recycles of invariant point attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.nn import ModuleList

from pyg_gears.errors import expect, nearest_name
from pyg_gears.models.gate_smoothing import GateSmoothing, SmoothingRound
from pyg_gears.models.gated_model import Start
from pyg_gears.models.hard_gate import best_edges
from pyg_gears.models.recycling import AttentionRound, Round, intervene
from pyg_gears.models.recycling_model import RecyclingModel
from pyg_gears.nn import EdgeGate, IPAConv, PairBias
from pyg_gears.nn.geometry_bias import GeoMode
from pyg_gears.nn.ipa_conv import Layout
from pyg_gears.typing import Frame, QKMode, RecycleAttention

RECYCLE_ATTENTION: tuple[RecycleAttention, ...] = (
    "learned",
    "uniform_after_first",
    "smoothing_after_first",
    "hard_gate",
)

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "v1": {"recycles": 5, "shared": True, "qk": "plain"},
    "v2": {"recycles": 3, "shared": False, "qk": "learned", "geo": "monotone", "geo_from": 2},
    "d7": {"recycles": 5, "shared": True, "qk": "published", "geo": "monotone"},
}
"""``v1``: one shared block, 5 recycles, no geo. ``v2``: 3 blocks of their own, normalised q and k with a learned
temperature per block, clamped monotone geo in the last. ``d7``: one shared block, 5 recycles, normalised q and k at the
published scale, clamped monotone geo throughout (the validated baseline). D2 is :class:`IPAR`."""


class IPALite(RecyclingModel):
    r"""Coordinates from an embedding and its candidate graph.

    .. math::
        g &= \mathrm{EdgeGate}(H), \quad s^0 = \mathrm{MLP}(H) \\
        x^0 &= \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s^{r+1}, \tilde x) &= \mathrm{IPAConv}(s^r, x^r, \beta g), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    At c = 128 without the gate (37,057): 154,674 parameters with the defaults and as ``v1``, 154,678 as ``d7``, 352,281
    as ``v2``.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        heads: Attention heads.
        head_channels: Channels per head.
        recycles: Number of rounds.
        shared: One block for all recycles, or one each (lost at two training slides).
        qk: Scale of the q.k term, see :class:`pyg_gears.nn.IPAConv`; "none" leaves it out (published: E_geo 0.27 higher).
        tau: Temperature of normalised q and k, see :class:`pyg_gears.nn.IPAConv`.
        geo: Geometry bias: "none", "monotone", "rbf" or "point" (lost at two training slides).
        geo_from: First recycle, counted from 0, in which the geometry bias takes part.
        frame: "free" or "rotation".
        beta: Weight of the gate in the logits.
        step: Step size of the coordinates.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw
            guess.
        dropout: Dropout inside the state updates.
        detach: Stop the gradient between recycles (coordinates and states); only losses on the whole trajectory then
            reach the first ones.
        attention: What the recycles are. "learned": gate, q.k and geometry, in every one. The others ask what that
            brings: "uniform_after_first" (from the second on all candidates weigh the same), "smoothing_after_first"
            (from the second on :class:`pyg_gears.models.gate_smoothing.GateSmoothing`), "hard_gate" (attention to the
            30 candidates with the highest gate only; lost).
        layout: Layout of the attention: "auto", "edge" or "dense".
        gate: Network (x, edge_index, batch) -> (e,) or (e, heads), 0 on self-loops; an :class:`pyg_gears.nn.EdgeGate` if
            omitted.
        gate_channels: Hidden channels of that EdgeGate, 64 if omitted.
        pair: Add a :class:`pyg_gears.nn.PairBias`, the same in all recycles (35,040 parameters more; lost at two training
            slides).

    Raises:
        InputError: for a recycle count below 1, an unknown choice, or one that would have no effect.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 96,
        heads: int = 4,
        head_channels: int = 32,
        recycles: int = 5,
        shared: bool = True,
        qk: QKMode = "divided",
        tau: float | None = None,
        geo: GeoMode = "none",
        geo_from: int = 0,
        frame: Frame = "free",
        beta: float = 2.0,
        step: float = 1.0,
        noise: float = 0.05,
        dropout: float = 0.0,
        detach: bool = False,
        attention: RecycleAttention = "learned",
        layout: Layout = "auto",
        gate: torch.nn.Module | None = None,
        gate_channels: int | None = None,
        pair: bool = False,
    ) -> None:
        expect(
            gate is None or gate_channels is None,
            f"expected gate_channels without a gate, found {gate_channels} and a gate; leave one of the two out.",
        )
        gate = EdgeGate(in_channels, 64 if gate_channels is None else gate_channels) if gate is None else gate
        super().__init__(in_channels, hidden_channels, recycles, gate, beta, noise, detach)
        expect(
            attention in RECYCLE_ATTENTION,
            f"expected attention among {', '.join(RECYCLE_ATTENTION)}, found {attention!r}; name one of them.",
        )
        smoothing = attention == "smoothing_after_first"
        expect(
            shared or not smoothing,
            "expected shared=True with attention='smoothing_after_first', found False; only the first recycle has a block.",
        )
        reached = 1 if smoothing or attention == "uniform_after_first" else recycles
        expect(
            0 <= geo_from < reached or geo == "none",
            f"expected geo_from in 0..{reached - 1}, found {geo_from}; no recycle would use the geometry.",
        )
        self.shared, self.geo_from, self.attention = shared, geo_from, attention
        self.blocks = ModuleList(
            IPAConv(
                hidden_channels,
                heads=heads,
                head_channels=head_channels,
                layout=layout,
                # A block of its own that comes before geo_from would carry a geometry without effect.
                geo=geo if shared or geo_from <= recycle < reached else "none",
                frame=frame,
                qk=qk,
                tau=tau,
                step=step,
                dropout=dropout,
            )
            for recycle in range(1 if shared else recycles)
        )
        self.pair = PairBias(in_channels, heads) if pair else None
        self.smoothing = GateSmoothing() if smoothing else None

    @classmethod
    def from_preset(cls, name: str, in_channels: int, **overrides: Any) -> IPALite:
        """Build a named variant: "v1", "v2" or "d7" (see :data:`PRESETS`); keyword arguments override it.

        Raises:
            InputError: for an unknown name.
        """
        expect(
            name in PRESETS,
            f"expected a preset among {', '.join(PRESETS)}, found {name!r}{nearest_name(name, PRESETS)}; name one.",
        )
        return cls(in_channels, **{**PRESETS[name], **overrides})

    def rounds(self, start: Start, step_scale: float) -> list[Round]:
        """One bias in all rounds; geometry from ``geo_from`` on."""
        bias, graphs = start.bias, start.graphs
        if self.attention == "hard_gate" and bias.gate_logits is not None:
            bias = replace(bias, kept=best_edges(bias.gate_logits, graphs.edge_index, graphs.x.size(0)))
        gate_alone = bias
        if self.pair is not None:
            bias = replace(bias, pair_bias=self.pair(graphs.x, graphs.edge_index))
        first = self.block(0)
        rounds: list[Round] = [
            AttentionRound(bias, step_scale * first.step, self.block(recycle), use_geo=recycle >= self.geo_from)
            for recycle in range(self.recycles)
        ]
        if self.smoothing is not None:
            smooth = SmoothingRound(gate_alone, step_scale, self.smoothing, first.heads)
            return [rounds[0]] + [smooth] * (self.recycles - 1)
        return intervene(rounds, "uniform_after_first" if self.attention == "uniform_after_first" else "learned")

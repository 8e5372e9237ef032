"""The light structure model: a gate, an initial guess, and recycles of invariant point attention."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_gears.errors import expect, nearest_name
from pyg_gears.models.recycling import Recycle, blocks_of
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.nn import EdgeGate, IPAConv, PairBias
from pyg_gears.nn.geometry_bias import GeoMode

PRESETS: dict[str, dict[str, Any]] = {
    "v1": {"recycles": 5, "shared": True},
    "v2": {"recycles": 3, "shared": False, "qk_norm": True, "geo": "monotone", "geo_from": 2},
    "d7": {"recycles": 5, "shared": True, "qk_norm": True, "geo": "monotone"},
}
"""``v1``: one shared block, 5 recycles, no geo. ``v2``: 3 blocks of their own, normalised q and k, clamped monotone
geo in the last. ``d7``: one shared block, 5 recycles, normalised q and k, clamped monotone geo throughout (the
validated baseline)."""


class IPALite(StructureModel):
    r"""Coordinates from an embedding and its candidate graph.

    .. math::
        g &= \mathrm{EdgeGate}(H), \quad s^0 = \mathrm{MLP}(H) \\
        x^0 &= \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s^{r+1}, \tilde x) &= \mathrm{IPAConv}(s^r, x^r, \beta g), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    Every result is permutation equivariant, and a graph's layout does not depend on the other graphs of the batch. At
    c = 128 with the defaults: 154,674 parameters (352,278 as ``v2``, with three blocks of their own), and 37,057 of the
    gate.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        heads: Attention heads.
        head_channels: Channels per head.
        recycles: Number of rounds.
        shared: One block for all recycles, or one each.
        qk_norm: Normalise q and k (see :class:`pyg_gears.nn.IPAConv`).
        tau: Temperature of ``qk_norm``, in [0.5, 4].
        learn_tau: Learn it per head, clamped.
        geo: Geometry bias: "none", "monotone", "rbf" or "point".
        geo_from: First recycle, counted from 0, in which the geometry bias takes part.
        frame: "free" or "rotation".
        beta: Weight of the gate in the logits.
        step: Step size of the coordinates.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw
            guess.
        dropout: Dropout inside the state updates.
        detach: Stop the gradient between recycles (coordinates and states); only losses on the whole trajectory then
            reach the first ones.
        layout: Layout of the attention: "auto", "edge" or "dense".
        gate_channels: Hidden channels of the :class:`pyg_gears.nn.EdgeGate` that is built where no ``gate`` is given.
        gate_heads: One logit of that gate per edge and head instead of one per edge.
        gate: Network (x, edge_index) -> (e,) or (e, heads) to take instead, 0 on self-loops.
        pair: Add a :class:`pyg_gears.nn.PairBias`, the same in all recycles (35,044 parameters more).

    Raises:
        InputError: for a recycle count below 1 or a ``geo_from`` that no recycle reaches.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 96,
        heads: int = 4,
        head_channels: int = 32,
        recycles: int = 5,
        shared: bool = True,
        qk_norm: bool = False,
        tau: float = 1.0,
        learn_tau: bool = False,
        geo: GeoMode = "none",
        geo_from: int = 0,
        frame: Literal["free", "rotation"] = "free",
        beta: float = 2.0,
        step: float = 1.0,
        noise: float = 0.05,
        dropout: float = 0.0,
        detach: bool = False,
        layout: Literal["auto", "edge", "dense"] = "auto",
        gate_channels: int = 64,
        gate_heads: bool = False,
        gate: torch.nn.Module | None = None,
        pair: bool = False,
    ) -> None:
        if gate is None:
            gate = EdgeGate(in_channels, gate_channels, heads=heads if gate_heads else None)
        super().__init__(in_channels, hidden_channels, recycles, gate, beta, noise, detach)
        expect(
            0 <= geo_from < recycles or geo == "none",
            f"IPALite expected geo_from in 0..{recycles - 1}, found {geo_from}; no recycle would use the geometry.",
        )
        self.shared, self.geo_from = shared, geo_from
        self.blocks = ModuleList(
            IPAConv(
                hidden_channels,
                heads=heads,
                head_channels=head_channels,
                layout=layout,
                # A block of its own that comes before geo_from would carry a geometry that nobody reads.
                geo=geo if shared or recycle >= geo_from else "none",
                frame=frame,
                qk_norm=qk_norm,
                tau=tau,
                learn_tau=learn_tau,
                beta=1.0,
                step=step,
                dropout=dropout,
            )
            for recycle in range(1 if shared else recycles)
        )
        self.pair = PairBias(in_channels, heads) if pair else None

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

    def rounds(self, gate: Tensor | None, beta: float, step_scale: float) -> list[Recycle]:
        """One bias and one step size in all rounds; geometry from ``geo_from`` on."""
        bias = None if gate is None else beta * gate
        return [
            Recycle(block, bias, step_scale * block.step, use_geo=recycle >= self.geo_from)
            for recycle, block in enumerate(blocks_of(self.blocks, self.recycles))
        ]

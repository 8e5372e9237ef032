"""The topological structure model: one shared block, a gate that sees context, geometry once there is a layout."""

from __future__ import annotations

import torch
from torch.nn import ModuleList

from pyg_gears.errors import expect
from pyg_gears.models.gated_model import Start
from pyg_gears.models.learned_steps import LearnedSteps
from pyg_gears.models.recycling import AttentionRound, Round
from pyg_gears.models.recycling_model import RecyclingModel
from pyg_gears.nn import GateFormer, IPAConv
from pyg_gears.nn.geometry_bias import GeoMode
from pyg_gears.nn.ipa_conv import Layout
from pyg_gears.typing import Frame


class TopoIPAR(RecyclingModel):
    r"""Coordinates from an embedding and its candidate graph, by a contextual gate and one block used in every round.

    .. math::
        g &= \mathrm{GateFormer}(H), \quad s^0 = \mathrm{MLP}(H) \\
        x^0 &= \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s^{r+1}, \tilde x) &= \mathrm{IPAConv}(s^r, x^r, \beta g; \eta_r), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    The contextual gate is what this model is; another gate makes it a D7 (``IPALite.from_preset("d7", ...)``). The block
    normalises q and k at the published scale, with :math:`\tau = 1`; its geometry bias, a learned function of the distance
    on radial basis functions, takes part from the third round on, when there is a layout. :math:`\eta_r =
    \mathrm{sigmoid}(\theta_r)` is learned, from 0.6.

    At c = 128 with the defaults 154,743 parameters, and 126,657 of the gate.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        heads: Attention heads.
        head_channels: Channels per head.
        recycles: Number of rounds.
        geo: Geometry bias: "none", "monotone", "rbf" or "point".
        geo_from: First recycle, counted from 0, in which the geometry bias takes part.
        frame: "free" or "rotation".
        beta: Weight of the gate in the logits.
        step: Step size that every round starts from, in (0, 1).
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        dropout: Dropout inside the state updates.
        detach: Stop the gradient between recycles; only losses on the whole trajectory then reach the first ones.
        layout: Layout of the attention: "auto", "edge" or "dense".
        gate: The contextual gate, by default with its own defaults.

    Raises:
        InputError: for a recycle count below 1, a ``geo_from`` that no recycle reaches, a first step outside (0, 1), or
            another kind of gate.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 96,
        heads: int = 4,
        head_channels: int = 32,
        recycles: int = 5,
        geo: GeoMode = "rbf",
        geo_from: int = 2,
        frame: Frame = "free",
        beta: float = 2.0,
        step: float = 0.6,
        noise: float = 0.05,
        dropout: float = 0.0,
        detach: bool = False,
        layout: Layout = "auto",
        gate: GateFormer | None = None,
    ) -> None:
        gate = GateFormer(in_channels) if gate is None else gate
        found: torch.nn.Module = gate
        expect(
            isinstance(found, GateFormer),
            f"expected a GateFormer as the gate of TopoIPAR, found {type(found).__name__}; use IPALite with that gate.",
        )
        super().__init__(in_channels, hidden_channels, recycles, gate, beta, noise, detach)
        expect(
            0 <= geo_from < recycles or geo == "none",
            f"expected geo_from in 0..{recycles - 1}, found {geo_from}; no recycle would use the geometry.",
        )
        self.geo_from = geo_from
        block = IPAConv(
            hidden_channels,
            heads=heads,
            head_channels=head_channels,
            layout=layout,
            geo=geo,
            frame=frame,
            qk="published",
            dropout=dropout,
        )
        self.blocks = ModuleList([block])
        self.steps = LearnedSteps(recycles, step)

    def rounds(self, start: Start, step_scale: float) -> list[Round]:
        """Learned step sizes; geometry from ``geo_from`` on."""
        return [
            AttentionRound(start.bias, step_scale * step, self.block(recycle), use_geo=recycle >= self.geo_from)
            for recycle, step in enumerate(self.steps())
        ]

"""The topological structure model: one shared block, a gate that sees context, geometry once there is a layout."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import ModuleList

from pyg_gears.errors import expect
from pyg_gears.models.recycling import Recycle, blocks_of
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.nn import GateFormer, IPAConv
from pyg_gears.nn.geometry_bias import GeoMode


class TopoIPAR(StructureModel):
    r"""Coordinates from an embedding and its candidate graph, by a contextual gate and one block used in every round.

    .. math::
        g &= \mathrm{GateFormer}(H), \quad s^0 = \mathrm{MLP}(H) \\
        x^0 &= \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s^{r+1}, \tilde x) &= \mathrm{IPAConv}(s^r, x^r, \beta g; \eta_r), \quad x^{r+1} = \mathrm{gauge}(\tilde x)

    The block normalises q and k; its geometry bias, a learned function of the distance on radial basis functions,
    speaks from the third round on, when there is a layout to speak of. The first step, from a guess that knows no
    neighbours, is shorter: :math:`\eta_0 = 0.6\,\eta`, then :math:`\eta_r = \eta`.

    At c = 128 with the defaults 154,738 parameters, and those of the gate.

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
        step: Step size :math:`\eta` of the coordinates.
        first_step: Factor of the step size in the first round.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        dropout: Dropout inside the state updates.
        detach: Stop the gradient between recycles; only losses on the whole trajectory then reach the first ones.
        layout: Layout of the attention: "auto", "edge" or "dense".
        gate: Network (x, edge_index) -> (e,) or (e, heads), 0 on self-loops; a :class:`pyg_gears.nn.GateFormer` with
            its defaults if omitted.

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
        geo: GeoMode = "rbf",
        geo_from: int = 2,
        frame: Literal["free", "rotation"] = "free",
        beta: float = 2.0,
        step: float = 1.0,
        first_step: float = 0.6,
        noise: float = 0.05,
        dropout: float = 0.0,
        detach: bool = False,
        layout: Literal["auto", "edge", "dense"] = "auto",
        gate: torch.nn.Module | None = None,
    ) -> None:
        gate = GateFormer(in_channels) if gate is None else gate
        super().__init__(in_channels, hidden_channels, recycles, gate, beta, noise, detach)
        expect(
            0 <= geo_from < recycles or geo == "none",
            f"TopoIPAR expected geo_from in 0..{recycles - 1}, found {geo_from}; no recycle would use the geometry.",
        )
        self.geo_from, self.first_step = geo_from, first_step
        block = IPAConv(
            hidden_channels,
            heads=heads,
            head_channels=head_channels,
            layout=layout,
            geo=geo,
            frame=frame,
            qk_norm=True,
            beta=1.0,
            step=step,
            dropout=dropout,
        )
        self.blocks = ModuleList([block])
        self.pair = None

    def rounds(self, gate: Tensor | None, beta: float, step_scale: float) -> list[Recycle]:
        """A shorter first step; geometry from ``geo_from`` on."""
        bias = None if gate is None else beta * gate
        return [
            Recycle(
                block,
                bias,
                step_scale * block.step * (self.first_step if recycle == 0 else 1.0),
                use_geo=recycle >= self.geo_from,
            )
            for recycle, block in enumerate(blocks_of(self.blocks, self.recycles))
        ]

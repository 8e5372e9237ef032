"""The refining structure model: blocks of their own, a pair bias, learned weights and steps of every round."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import ModuleList, Parameter

from pyg_gears.models.recycling import Recycle, blocks_of
from pyg_gears.models.structure_model import StructureModel
from pyg_gears.nn import EdgeGate, IPAConv, PairBias
from pyg_gears.nn.geometry_bias import GeoMode

GATE_WEIGHTS = (0.5, 1.5, 2.0)
MAX_GATE_WEIGHT = 2.5
TAU_RANGE = (1.0, 10.0)
TAU = 2.0
BETA = 2.0


class IPAR(StructureModel):
    r"""Coordinates from an embedding and its candidate graph, every round with weights of its own.

    .. math::
        g &= \mathrm{EdgeGate}(H), \quad b = \mathrm{PairBias}(H), \quad s^0 = \mathrm{MLP}(H) \\
        x^0 &= \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s^{r+1}, \tilde x) &= \mathrm{IPAConv}_r(s^r, x^r, \tfrac{\beta}{2} \beta_r g + b; \eta_r), \quad
        x^{r+1} = \mathrm{gauge}(\tilde x)

    Normalised q and k with one learned temperature per head in [1, 10] (from 2: at the end of a clamp nothing would
    be learned); the pair bias is the same in all rounds; the geometry speaks in the last round only. :math:`\beta_r` is
    learned and clamped to [0, 2.5], from 0.5, 1.5, 2.0 (interpolated for another number of rounds): the gate gains weight
    while the guess improves. :math:`\eta_r = 2 \eta\, \mathrm{sigmoid}(w_r)` is learned, from :math:`\eta`, and stays in
    (0, 2 :math:`\eta`).

    At c = 128 with the defaults 388,892 parameters (35,044 of them the pair bias), and 37,057 of the gate. Nobody reads
    the state after the last round: the last block's state update (61,728 parameters) learns only from a loss on it.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        heads: Attention heads.
        head_channels: Channels per head.
        recycles: Number of rounds, one block each.
        geo: Geometry bias of the last round: "none", "monotone", "rbf" or "point".
        frame: "free" or "rotation".
        beta: Scale of the gate's weights: :math:`\beta_r` counts :math:`\beta / 2` times.
        step: Step size :math:`\eta` that every round starts from.
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        dropout: Dropout inside the state updates.
        detach: Stop the gradient between recycles; only losses on the whole trajectory then reach the first ones.
        layout: Layout of the attention: "auto", "edge" or "dense".
        gate_channels: Hidden channels of the :class:`pyg_gears.nn.EdgeGate` that is built where no ``gate`` is given.
        gate_heads: One logit of that gate per edge and head instead of one per edge.
        gate: Network (x, edge_index) -> (e,) or (e, heads) to take instead, 0 on self-loops.

    Raises:
        InputError: for a recycle count below 1.

    Source: blocks of their own and a pair bias as in Jumper et al., AlphaFold (2021), structure module; the pair
    embedding is not updated here.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 96,
        heads: int = 4,
        head_channels: int = 32,
        recycles: int = 3,
        geo: GeoMode = "point",
        frame: Literal["free", "rotation"] = "free",
        beta: float = BETA,
        step: float = 1.0,
        noise: float = 0.05,
        dropout: float = 0.0,
        detach: bool = False,
        layout: Literal["auto", "edge", "dense"] = "auto",
        gate_channels: int = 64,
        gate_heads: bool = False,
        gate: torch.nn.Module | None = None,
    ) -> None:
        if gate is None:
            gate = EdgeGate(in_channels, gate_channels, heads=heads if gate_heads else None)
        super().__init__(in_channels, hidden_channels, recycles, gate, beta, noise, detach)
        self.step = step
        self.blocks = ModuleList(
            IPAConv(
                hidden_channels,
                heads=heads,
                head_channels=head_channels,
                layout=layout,
                geo=geo if recycle == recycles - 1 else "none",
                frame=frame,
                qk_norm=True,
                tau=TAU,
                learn_tau=True,
                tau_range=TAU_RANGE,
                beta=1.0,
                step=step,
                dropout=dropout,
            )
            for recycle in range(recycles)
        )
        self.pair = PairBias(in_channels, heads)
        self.gate_weight = Parameter(_along(GATE_WEIGHTS, recycles))
        self.raw_step = Parameter(torch.zeros(recycles))

    @property
    def gate_weights(self) -> Tensor:
        """The weight beta_r of the gate in every round, clamped, shape (recycles,)."""
        return self.gate_weight.clamp(0.0, MAX_GATE_WEIGHT)

    @property
    def steps(self) -> Tensor:
        """The step size eta_r of every round, shape (recycles,)."""
        return 2 * self.step * self.raw_step.sigmoid()

    def rounds(self, gate: Tensor | None, beta: float, step_scale: float) -> list[Recycle]:
        """Learned weights of the gate, scaled by ``beta / 2``, and learned step sizes, scaled by ``step_scale``."""
        biases: list[Tensor | None] = [None] * self.recycles
        if gate is not None:
            biases = [beta / BETA * weight * gate for weight in self.gate_weights]
        blocks, steps = blocks_of(self.blocks, self.recycles), step_scale * self.steps
        return [Recycle(block, bias, step) for block, bias, step in zip(blocks, biases, steps, strict=True)]


def _along(values: tuple[float, ...], count: int) -> Tensor:
    """Values interpolated to ``count`` equally spaced places; a single one is the last."""
    places = np.linspace(0, 1, count) if count > 1 else np.ones(1)
    return torch.from_numpy(np.interp(places, np.linspace(0, 1, len(values)), values)).float()

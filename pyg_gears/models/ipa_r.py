"""The refining structure model (D2): blocks of their own, a pair bias, learned weights and steps of every round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import ModuleList, Parameter

from pyg_gears.models.gated_model import Start
from pyg_gears.models.learned_steps import LearnedSteps
from pyg_gears.models.recycling import AttentionRound, Round
from pyg_gears.models.recycling_model import RecyclingModel
from pyg_gears.nn import EdgeGate, IPAConv, PairBias
from pyg_gears.nn.geometry_bias import GeoMode
from pyg_gears.nn.ipa_conv import Layout
from pyg_gears.typing import Frame

GATE_WEIGHTS = (0.5, 1.5, 2.0)
MAX_GATE_WEIGHT = 2.5
TAU_RANGE = (1.0, 10.0)
TAU = 2.0
BETA = 2.0
QK_LIMIT = 10.0


class IPAR(RecyclingModel):
    r"""Coordinates from an embedding and its candidate graph, every round with weights of its own.

    .. math::
        g &= \mathrm{EdgeGate}(H), \quad z = \mathrm{MLP}(H_i, H_j), \quad s^0 = \mathrm{MLP}(H) \\
        x^0 &= \mathrm{gauge}(\mathrm{MLP}(H) + \mathrm{noise}) \\
        (s^{r+1}, \tilde x) &= \mathrm{IPAConv}_r(s^r, x^r, \tfrac{\beta}{2} \beta_r g + W_r z; \eta_r), \quad
        x^{r+1} = \mathrm{gauge}(\tilde x)

    Normalised q and k with one learned temperature :math:`\tau_r` per round in [1, 10] (from 2: at the end of a clamp
    nothing would be learned) at the published scale; one pair embedding z with a projection per round; geometry in the
    last round only. :math:`\beta_r` is learned and clamped to [0, 2.5], from 0.5, 1.5, 2.0 (interpolated for another
    number of rounds): the gate gains weight while the guess improves. :math:`\eta_r = \mathrm{sigmoid}(\theta_r)` is
    learned, from 0.2.

    At c = 128 with the defaults 389,119 parameters without the gate: 352,274 of the blocks and first embeddings, 3
    :math:`\tau_r`, 34,912 of the pair embedding, 384 of its projections, 1,536 of the point offsets, 4 of their widths,
    3 :math:`\beta_r`, 3 :math:`\eta_r`. At two training slides it lost to the light model.

    Args:
        in_channels: Channels c of the embedding ``x``.
        hidden_channels: Channels c_s of the node state.
        heads: Attention heads.
        head_channels: Channels per head.
        recycles: Number of rounds, one block each.
        geo: Geometry bias of the last round: "none", "monotone", "rbf" or "point".
        frame: "free" or "rotation".
        beta: Scale of the gate's weights: :math:`\beta_r` counts :math:`\beta / 2` times.
        step: Step size that every round starts from, in (0, 1).
        fights: Keep the terms that pull against the gate. False removes them: no pair bias, :math:`\tau_r` fixed at 1
            and :math:`\beta_r` at 2, and the q.k term of the first round clipped to [-10, 10].
        noise: Standard deviation of the noise on the initial coordinates in training mode, in the unit of the raw guess.
        dropout: Dropout inside the state updates.
        detach: Stop the gradient between recycles; only losses on the whole trajectory then reach the first ones.
        layout: Layout of the attention: "auto", "edge" or "dense".
        gate: Network (x, edge_index, batch) -> (e,) or (e, heads), 0 on self-loops; an :class:`pyg_gears.nn.EdgeGate` if
            omitted.

    Raises:
        InputError: for a recycle count below 1 or a first step outside (0, 1).

    Source: blocks of their own and a pair bias as in Jumper et al., AlphaFold (2021), structure module; the pair
    embedding is not updated here. The first value of the temperature is ours; none is published.
    """

    gate_weight: Tensor

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 96,
        heads: int = 4,
        head_channels: int = 32,
        recycles: int = 3,
        geo: GeoMode = "point",
        frame: Frame = "free",
        beta: float = BETA,
        step: float = 0.2,
        fights: bool = True,
        noise: float = 0.05,
        dropout: float = 0.0,
        detach: bool = False,
        layout: Layout = "auto",
        gate: torch.nn.Module | None = None,
    ) -> None:
        gate = EdgeGate(in_channels) if gate is None else gate
        super().__init__(in_channels, hidden_channels, recycles, gate, beta, noise, detach)
        self.heads, self.fights = heads, fights
        self.blocks = ModuleList(
            IPAConv(
                hidden_channels,
                heads=heads,
                head_channels=head_channels,
                layout=layout,
                geo=geo if recycle == recycles - 1 else "none",
                frame=frame,
                qk="learned" if fights else "published",
                tau=TAU if fights else 1.0,
                tau_range=TAU_RANGE if fights else None,
                qk_clip=QK_LIMIT if recycle == 0 and not fights else None,
                dropout=dropout,
            )
            for recycle in range(recycles)
        )
        self.pair = PairBias(in_channels, recycles * heads) if fights else None
        if fights:
            self.gate_weight = Parameter(torch.empty(recycles))
        else:
            self.register_buffer("gate_weight", torch.empty(recycles))
        self.steps = LearnedSteps(recycles, step)
        self._set_gate_weight()

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        super().reset_parameters()
        self._set_gate_weight()

    def _set_gate_weight(self) -> None:
        with torch.no_grad():
            self.gate_weight.copy_(_along(GATE_WEIGHTS if self.fights else (BETA,), self.recycles))

    @property
    def gate_weights(self) -> Float[Tensor, " rounds"]:
        """The weight beta_r of the gate in every round, clamped, shape (recycles,)."""
        return self.gate_weight.clamp(0.0, MAX_GATE_WEIGHT)

    def rounds(self, start: Start, step_scale: float) -> list[Round]:
        """Learned weights of the gate, scaled by ``beta / 2``, a pair bias of its own, and learned step sizes."""
        pairs: list[Tensor | None] = [None] * self.recycles
        if self.pair is not None:
            pairs = list(self.pair(start.graphs.x, start.graphs.edge_index).split(self.heads, dim=1))
        weights, steps = start.bias.beta / BETA * self.gate_weights, step_scale * self.steps()
        return [
            AttentionRound(replace(start.bias, beta=weight, pair_bias=pair), step, self.block(recycle))
            for recycle, (weight, pair, step) in enumerate(zip(weights, pairs, steps, strict=True))
        ]


def _along(values: tuple[float, ...], count: int) -> Tensor:
    """Values interpolated to ``count`` equally spaced places; a single one is the last."""
    places = np.linspace(0, 1, count) if count > 1 else np.ones(1)
    return torch.from_numpy(np.interp(places, np.linspace(0, 1, len(values)), values)).float()

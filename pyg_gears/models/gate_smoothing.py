"""Rounds that only smooth the coordinates along the gate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter
from torch_geometric.nn import MessagePassing

from pyg_gears.graphs.segment_softmax import segment_softmax
from pyg_gears.models.recycling import Round
from pyg_gears.nn import AttentionBias, AttentionTerms
from pyg_gears.nn.attention_terms import attention_terms


class GateSmoothing(MessagePassing):
    r"""Move every node by a share of the way to the mean of its neighbours, weighed by the gate.

    .. math::
        x_i' = x_i + \alpha \textstyle\sum_j w_{ij} (x_j - x_i), \quad w_{ij} = \mathrm{softmax}_{j \to i}(\beta g_{ij}),
        \quad \alpha = \mathrm{sigmoid}(a)

    :math:`\alpha` is learned, from 1/2. It asks whether later recycles are more than smoothing: states stay as they are.
    """

    def __init__(self) -> None:
        super().__init__(aggr="add", node_dim=0)
        self.raw_share = Parameter(torch.zeros(()))

    def reset_parameters(self) -> None:
        """Go back to a share of 1/2."""
        torch.nn.init.zeros_(self.raw_share)

    @property
    def share(self) -> Float[Tensor, ""]:
        """The share alpha, in (0, 1)."""
        return self.raw_share.sigmoid()

    def forward(
        self, pos: Float[Tensor, "n 2"], bias: AttentionBias, scale: float | Tensor = 1.0
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "e a"]]:
        """Smooth once.

        Args:
            pos: Coordinates, shape (n, 2).
            bias: Edges and the logits of their weights; per-head weights are averaged.
            scale: Factor of alpha.

        Returns:
            New coordinates (n, 2), and the weights, shape (e, 1) or (e, h). A node without an incoming edge stays.
        """
        target, n = bias.edge_index[1], pos.size(0)
        logits = bias.logits(pos.dtype)
        if logits is None:
            logits = pos.new_zeros(target.numel(), 1)
        alpha = segment_softmax(logits, target, n)
        return pos + scale * self.share * self.propagate(bias.edge_index, pos=pos, alpha=alpha, size=(n, n)), alpha

    def message(self, pos_i: Tensor, pos_j: Tensor, alpha: Tensor) -> Tensor:
        """The way to the source, weighted."""
        return alpha.mean(dim=1, keepdim=True) * (pos_j - pos_i)


@dataclass(frozen=True)
class SmoothingRound(Round):
    """A round of smoothing; its step size is a factor of the layer's share."""

    smoothing: GateSmoothing
    heads: int

    def run(self, state: Tensor, pos: Tensor, return_terms: bool) -> tuple[Tensor, Tensor, AttentionTerms | None]:
        """Smooth once."""
        pos, weight = self.smoothing(pos, self.bias, self.step)
        if not return_terms:
            return state, pos, None
        none = weight.new_zeros(weight.size(0), self.heads)
        terms = attention_terms(none, None, self.bias.gate, self.bias.pair, weight.expand_as(none))
        return state, pos, terms

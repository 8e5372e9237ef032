"""Attention of a set to itself, with an optional bias per pair."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.nn.mab import MAB
from pyg_gears.nn.padded_sets import padded_door


class SAB(torch.nn.Module):
    """Set attention block: every node reads all nodes of its own set, :class:`MAB` (x, x).

    Permutation equivariant; a set's result does not depend on the other sets of its batch. Time and memory m^2 for a set of m
    nodes; :class:`ISAB` grows linearly.

    Args:
        channels: Channels c.
        heads: Attention heads; must divide the channels.

    Source: Lee et al., Set Transformer (2019), equation 8.

    >>> SAB(8, heads=2)(torch.randn(5, 8), torch.tensor([0, 0, 0, 1, 1])).shape
    torch.Size([5, 8])
    """

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.attention = MAB(channels, heads)

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        self.attention.reset_parameters()

    def forward(
        self,
        x: Float[Tensor, "*places c"],
        batch: Int[Tensor, " n"] | None = None,
        mask: Bool[Tensor, "b m"] | None = None,
        bias: Float[Tensor, "b m m"] | None = None,
    ) -> Float[Tensor, "*places c"]:
        """Let every node read its set.

        Args:
            x: Nodes (n, c), or padded sets (b, m, c).
            batch: Set of each node, shape (n,), ascending; one set if omitted. With nodes only.
            mask: Places that hold a node, shape (b, m); all if omitted. With padded sets only.
            bias: Added to the logits of all heads, shape (b, m, m).

        Returns:
            New values in the shape of ``x``; what lies in places without a node has no meaning.

        Raises:
            InputError: for other shapes or types.
        """
        padded, mask, sets = padded_door(x, batch, mask, self.attention.channels, self.attention.query.weight)
        out = self.attention(padded, padded, mask, bias)
        return out if sets is None else sets.gather(out)

"""Attention of a set to itself through a few learned points, linear in its size."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import Parameter

from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.nn.mab import MAB
from pyg_gears.nn.padded_sets import padded_door


class ISAB(torch.nn.Module):
    r"""Induced set attention block: learned points read the set, then every node reads these points.

    .. math:: x' = \mathrm{MAB}(x, \mathrm{MAB}(I, x))

    Permutation equivariant; a set's result does not depend on the other sets of its batch. Time and memory grow with the nodes
    times the number of points.

    Args:
        channels: Channels c.
        points: Learned (inducing) points.
        heads: Attention heads; must divide the channels.

    Raises:
        InputError: for a size below 1, or for heads that do not divide the channels.

    Source: Lee et al., Set Transformer (2019), equations 9 and 10.

    >>> ISAB(8, points=4, heads=2)(torch.randn(5, 8), torch.tensor([0, 0, 0, 1, 1])).shape
    torch.Size([5, 8])
    """

    def __init__(self, channels: int, points: int = 64, heads: int = 4) -> None:
        super().__init__()
        check_sizes(channels=channels, points=points, heads=heads)
        self.points = Parameter(torch.empty(points, channels))
        self.collect, self.distribute = MAB(channels, heads), MAB(channels, heads)
        torch.nn.init.xavier_uniform_(self.points)

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        self.collect.reset_parameters()
        self.distribute.reset_parameters()
        torch.nn.init.xavier_uniform_(self.points)

    def forward(
        self,
        x: Float[Tensor, "*places c"],
        batch: Int[Tensor, " n"] | None = None,
        mask: Bool[Tensor, "b m"] | None = None,
    ) -> Float[Tensor, "*places c"]:
        """Let every node read its set through the learned points.

        Args:
            x: Nodes (n, c), or padded sets (b, m, c).
            batch: Set of each node, shape (n,), ascending; one set if omitted. With nodes only.
            mask: Places that hold a node, shape (b, m); all if omitted. With padded sets only.

        Returns:
            New values in the shape of ``x``; what lies in places without a node has no meaning.

        Raises:
            InputError: for other shapes or types.
        """
        padded, mask, sets = padded_door(x, batch, mask, self.collect.channels, self.collect.query.weight)
        read = self.collect(self.points.expand(padded.size(0), -1, -1), padded, mask)
        out = self.distribute(padded, read)
        return out if sets is None else sets.gather(out)

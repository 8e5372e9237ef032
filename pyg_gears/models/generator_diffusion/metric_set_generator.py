"""A first layout in many dimensions, from H alone."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import Linear, ModuleList, ReLU, Sequential

from pyg_gears.nn import ISAB
from pyg_gears.targets.orthogonal_alignment import centred_sets


class MetricSetGenerator(torch.nn.Module):
    """Set attention blocks and a small network; the result is centred and is compared up to a turn only.

    At the published sizes (256 channels, 32 dimensions, 6 layers, 128 points) 3.44 million parameters.

    Args:
        channels: Channels c of H.
        dims: Dimensions d of the latent layout.
        layers: Set attention blocks.
        points: Learned points of each, see :class:`pyg_gears.nn.ISAB`.
        heads: Attention heads.
    """

    def __init__(self, channels: int, dims: int, layers: int, points: int, heads: int) -> None:
        super().__init__()
        self.layers = ModuleList(ISAB(channels, points, heads) for _ in range(layers))
        self.head = Sequential(Linear(channels, channels), ReLU(), Linear(channels, dims))

    def forward(self, h: Float[Tensor, "b m c"], mask: Bool[Tensor, "b m"] | None) -> Float[Tensor, "b m d"]:
        """The latent layout of padded sets, zero in places without a node.

        Args:
            h: Context H, shape (b, m, c).
            mask: Places that hold a node, shape (b, m).
        """
        for layer in self.layers:
            h = layer(h, mask=mask)
        return centred_sets(self.head(h), mask)

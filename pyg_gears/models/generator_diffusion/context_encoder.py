"""Embeddings that know the set they belong to."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import Linear, ModuleList

from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.nn import ISAB


class ContextEncoder(torch.nn.Module):
    """A linear map of the embedding and a few set attention blocks: H, the condition of generator and denoiser.

    At 128 channels of the embedding and the published sizes (256 channels, 3 layers, 128 points) 1.72 million parameters.

    Args:
        in_channels: Channels of the embedding.
        channels: Channels c of H.
        layers: Set attention blocks.
        points: Learned points of each, see :class:`pyg_gears.nn.ISAB`.
        heads: Attention heads.

    Raises:
        InputError: without a layer, and as :class:`pyg_gears.nn.ISAB`.
    """

    def __init__(self, in_channels: int, channels: int, layers: int, points: int, heads: int) -> None:
        super().__init__()
        check_sizes(layers=layers)
        self.lift = Linear(in_channels, channels)
        self.layers = ModuleList(ISAB(channels, points, heads) for _ in range(layers))

    def forward(self, x: Float[Tensor, "b m i"], mask: Bool[Tensor, "b m"] | None) -> Float[Tensor, "b m c"]:
        """H of padded sets.

        Args:
            x: Embedding, shape (b, m, i).
            mask: Places that hold a node, shape (b, m).
        """
        h = self.lift(x)
        for layer in self.layers:
            h = layer(h, mask=mask)
        return h

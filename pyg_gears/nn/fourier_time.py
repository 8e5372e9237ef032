"""A number as a vector: sines and cosines at many frequencies, through a small network."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Linear, Sequential, SiLU

from pyg_gears.errors import InputError, described, expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.nn.checked_nodes import checked_nodes


class FourierTime(torch.nn.Module):
    r"""Embedding of a noise level or time.

    .. math:: \mathrm{MLP}\big([\sin(t f_k), \cos(t f_k)]_k\big), \quad f_k = 10000^{-k / K}, \; k = 0 .. K-1

    Args:
        channels: Channels c of the embedding.
        features: Sines and cosines 2K that the network reads; even.

    Raises:
        InputError: for a size below 1, or an odd number of features.

    >>> FourierTime(16)(torch.tensor([0.1, 2.0])).shape
    torch.Size([2, 16])
    """

    def __init__(self, channels: int, features: int = 128) -> None:
        super().__init__()
        check_sizes(channels=channels, features=features)
        expect(
            features % 2 == 0,
            f"expected an even number of features, found {features}; sines and cosines come in pairs.",
        )
        self.features = features
        self.network = Sequential(Linear(features, channels), SiLU(), Linear(channels, channels))

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        for layer in (self.network[0], self.network[2]):
            assert isinstance(layer, Linear)
            layer.reset_parameters()

    def forward(self, time: Float[Tensor, " b"]) -> Float[Tensor, "b c"]:
        """Embed times.

        Args:
            time: Times, shape (b,).

        Raises:
            InputError: for another shape, or a type other than that of the weights.
        """
        if not isinstance(time, Tensor) or time.dim() != 1:
            raise InputError(f"expected times of shape (b,), found {described(time)}; give every set one.")
        first = self.network[0]
        assert isinstance(first, Linear)  # whose weight the replicas of DataParallel have, and no list of parameters
        time = checked_nodes(time[:, None], 1, first.weight, "time")[:, 0]
        half = self.features // 2
        phase = time[:, None] * 10000.0 ** (-torch.arange(half, device=time.device, dtype=time.dtype) / half)
        return self.network(torch.cat([phase.sin(), phase.cos()], dim=1))

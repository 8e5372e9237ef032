"""A perceptron with one hidden layer."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Linear
from torch.nn.functional import silu

from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.nn.checked_nodes import checked_places


class Perceptron(torch.nn.Module):
    r"""A network of one hidden layer on the last axis, :math:`W_2\, \mathrm{SiLU}(W_1 x + b_1) + b_2`.

    Args:
        in_channels: Channels c of the input.
        hidden_channels: Channels of the hidden layer.
        out_channels: Channels d of the result.
        zero_init: Start with a last layer of zeros: what the network adds to begins unchanged.

    >>> Perceptron(4, 8, 2, zero_init=True)(torch.ones(3, 4)).abs().sum().item()
    0.0
    """

    def __init__(self, in_channels: int, hidden_channels: int, out_channels: int, *, zero_init: bool = False) -> None:
        super().__init__()
        check_sizes(in_channels=in_channels, hidden_channels=hidden_channels, out_channels=out_channels)
        self.zero_init = zero_init
        self.first, self.last = Linear(in_channels, hidden_channels), Linear(hidden_channels, out_channels)
        self._set_constants()

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        self.first.reset_parameters()
        self.last.reset_parameters()
        self._set_constants()

    def _set_constants(self) -> None:
        if self.zero_init:
            for parameter in self.last.parameters():
                torch.nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "*places c"]) -> Float[Tensor, "*places d"]:
        """Apply the network.

        Args:
            x: Values, shape (..., c).

        Raises:
            InputError: for another number of channels, or a type other than that of the weights.
        """
        x = checked_places(x, self.first.in_features, self.first.weight)
        return self.last(silu(self.first(x)))

"""A condition that scales and shifts the channels of a state."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Linear, Sequential, SiLU

from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.nn.checked_nodes import checked_places


class FiLM(torch.nn.Module):
    r"""Feature-wise linear modulation; a new layer changes nothing.

    .. math:: x' = x (1 + \gamma) + \beta, \quad (\gamma, \beta) = \mathrm{MLP}(u)

    Args:
        channels: Channels c of the state.
        condition_channels: Channels of the condition u.

    Source: Perez et al., FiLM: Visual reasoning with a general conditioning layer (2018); the last layer starts at zero.

    >>> x = torch.randn(5, 8)
    >>> torch.equal(FiLM(8, 3)(x, torch.randn(5, 3)), x)
    True
    """

    def __init__(self, channels: int, condition_channels: int) -> None:
        super().__init__()
        check_sizes(channels=channels, condition_channels=condition_channels)
        self.network = Sequential(Linear(condition_channels, channels), SiLU(), Linear(channels, 2 * channels))
        self._set_constants()

    def reset_parameters(self) -> None:
        """Draw all parameters again; the layer starts as the identity."""
        for layer in (self.network[0], self.network[2]):
            assert isinstance(layer, Linear)
            layer.reset_parameters()
        self._set_constants()

    def _set_constants(self) -> None:
        for parameter in self.network[2].parameters():
            torch.nn.init.zeros_(parameter)

    def forward(
        self, x: Float[Tensor, "*places c"], condition: Float[Tensor, "*places u"]
    ) -> Float[Tensor, "*places c"]:
        """Modulate a state.

        Args:
            x: State, any shape (..., c).
            condition: Condition of each place, shape (..., u).

        Raises:
            InputError: for another number of channels, or integers; for a condition of another float type than the weights.
        """
        first = self.network[0]
        assert isinstance(first, Linear)
        x = checked_places(x, first.out_features, None)
        condition = checked_places(condition, first.in_features, first.weight, "the condition")
        scale, shift = self.network(condition).chunk(2, dim=-1)
        return x * (1 + scale) + shift

"""The distance of two nodes from their states, and how sure it is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import softplus

from pyg_gears.nn.pair_head import PairHead

LIMIT = 6.0
FLOOR = 1e-4


class PairDistances(NamedTuple):
    """Distances of pairs of nodes.

    Attributes:
        distance: Distance, shape (e,), above 0.
        log_variance: s, the logarithm of the variance of the *logarithm* of the distance, shape (e,), within -6..6.
    """

    distance: Float[Tensor, " e"]
    log_variance: Float[Tensor, " e"]

    @property
    def precision(self) -> Float[Tensor, " e"]:
        """What a pair counts, exp(-s), shape (e,)."""
        return (-self.log_variance).exp()

    def draw(self, noise: float, generator: torch.Generator | None) -> Float[Tensor, " e"]:
        """Distances drawn from the head's own log-normal distribution, its deviation scaled by ``noise``."""
        if noise == 0.0:
            return self.distance
        device = self.distance.device if generator is None else generator.device
        draw = torch.randn(self.distance.shape, generator=generator, dtype=self.distance.dtype, device=device)
        return self.distance * (noise * (0.5 * self.log_variance).exp() * draw.to(self.distance.device)).exp()


class DistanceHead(torch.nn.Module):
    r"""Distance of any two nodes with its uncertainty.

    .. math::
        (o, r) = \mathrm{PairHead}(h_i, h_j), \quad
        d_{ij} = \mathrm{softplus}(o), \quad s_{ij} = 6 \tanh(r / 6)

    Symmetric in the two nodes. Any pair can be asked for, whether or not it is an edge.

    Args:
        channels: Channels c of the state h.
        hidden_channels: Channels of the hidden layer, see :class:`PairHead`.

    Source: ours; the log-variance after Kendall and Gal, What uncertainties do we need (2017), equation 8, on log distances.

    >>> DistanceHead(4, 8)(torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]])).distance.shape
    torch.Size([2])
    """

    def __init__(self, channels: int, hidden_channels: int = 32) -> None:
        super().__init__()
        self.pairs = PairHead(channels, hidden_channels, 2)

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        self.pairs.reset_parameters()

    def forward(self, state: Float[Tensor, "n c"], pairs: Int[Tensor, "2 e"]) -> PairDistances:
        """Measure pairs.

        Args:
            state: Node states h, shape (n, c).
            pairs: Two nodes each, shape (2, e).

        Raises:
            InputError: as :class:`PairHead` does.
        """
        out, spread = self.pairs(state, pairs).unbind(dim=1)
        return PairDistances(softplus(out) + FLOOR, LIMIT * torch.tanh(spread / LIMIT))

"""An attention bias by the distance between two points, constant within each of some bins."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import embedding

from pyg_gears.errors import expect


class DistanceBias(torch.nn.Module):
    r"""A learned number for every bin of distances.

    .. math:: b_{ij} = a \, w \cdot e_{\mathrm{bin}(\|x_i - x_j\|)}

    The first bin starts at zero; distances beyond the last edge fall into the last bin. No gradient reaches the points.

    Args:
        bins: Bins.
        channels: Channels of the vectors e of the bins.
        scale: First value of the learned factor a.

    Raises:
        InputError: for fewer than two bins.

    >>> DistanceBias()(torch.randn(1, 5, 2)).shape
    torch.Size([1, 5, 5])
    """

    edges: Tensor

    def __init__(self, bins: int = 24, channels: int = 32, scale: float = 0.1) -> None:
        super().__init__()
        expect(bins >= 2, f"expected at least two bins of distances, found {bins}; ask for more.")
        self.bins, self.first_scale = bins, scale
        self.scale = Parameter(torch.tensor(scale))
        self.weight = Parameter(torch.empty(channels))
        self.bin = Parameter(torch.empty(bins, channels))
        self.register_buffer("edges", torch.zeros(bins))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters again, and take the first edges, from 0.05 to 2.5."""
        torch.nn.init.constant_(self.scale, self.first_scale)
        torch.nn.init.normal_(self.weight, std=0.01)
        torch.nn.init.normal_(self.bin)
        self.set_range(0.05, 2.5)

    @torch.no_grad()
    def set_range(self, low: float | Tensor, high: float | Tensor) -> None:
        """Space the edges evenly in the logarithm between two distances, for instance the 1 % and 99 % quantiles of a slide.

        Args:
            low: Second edge (the first is zero), above 0.
            high: Last edge, above ``low``.
        """
        first, last = torch.as_tensor(low).double().log(), torch.as_tensor(high).double().log()
        step = torch.linspace(0, 1, self.bins - 1, dtype=torch.float64, device=first.device)
        self.edges[0] = 0
        self.edges[1:] = (first + step * (last - first)).exp()

    def forward(self, pos: Float[Tensor, "b m d"]) -> Float[Tensor, "b m m"]:
        """The bias of every pair.

        Args:
            pos: Points of padded sets, shape (b, m, d).
        """
        distance = torch.cdist(pos.detach(), pos.detach(), compute_mode="donot_use_mm_for_euclid_dist")
        place = torch.bucketize(distance, self.edges[1:].to(distance.dtype), right=True)
        return embedding(place, (self.scale * self.bin @ self.weight)[:, None])[..., 0]

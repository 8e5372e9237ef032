"""An attention bias by the distance between two points, constant within each of some bins."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Parameter

from pyg_gears.errors import expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.geometry.known_values import is_transformed


class DistanceBias(torch.nn.Module):
    r"""A learned number for every bin of distances.

    .. math:: b_{ij} = a \, w \cdot e_{\mathrm{bin}(\|x_i - x_j\|)}

    The first bin starts at zero, the others are equally wide in the logarithm; distances beyond the last edge fall into the last
    bin. No gradient reaches the points.

    Args:
        bins: Bins.
        channels: Channels of the vectors e of the bins.
        scale: First value of the learned factor a.

    Raises:
        InputError: for a size below 1, or fewer than three bins.

    >>> DistanceBias()(torch.randn(1, 5, 2)).shape
    torch.Size([1, 5, 5])
    """

    log_range: Tensor

    def __init__(self, bins: int = 24, channels: int = 32, scale: float = 0.1) -> None:
        super().__init__()
        check_sizes(bins=bins, channels=channels)
        expect(bins >= 3, f"expected at least three bins of distances, found {bins}; ask for more.")
        self.bins, self.first_scale = bins, scale
        self.scale = Parameter(torch.empty(()))
        self.weight = Parameter(torch.empty(channels))
        self.bin = Parameter(torch.empty(bins, channels))
        self.register_buffer("log_range", torch.zeros(2))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters again, and take the first range, from 0.05 to 2.5."""
        torch.nn.init.constant_(self.scale, self.first_scale)
        torch.nn.init.normal_(self.weight, std=0.01)
        torch.nn.init.normal_(self.bin)
        self.set_range(0.05, 2.5)

    def set_range(self, low: float, high: float) -> None:
        """Space the edges evenly in the logarithm between two distances, for instance the 1 % and 99 % quantiles of a slide.

        Args:
            low: Second edge (the first is zero), above 0.
            high: Last edge, above ``low``.

        Raises:
            InputError: unless 0 < low < high, both finite.
        """
        expect(
            0 < low < high < float("inf"),
            f"expected a range of distances 0 < low < high, found {low:g} and {high:g}; take two quantiles of a slide.",
        )
        self.log_range.copy_(torch.tensor([low, high], dtype=torch.float64, device="cpu").log())

    def forward(self, pos: Float[Tensor, "b m d"]) -> Float[Tensor, "b m m"]:
        """The bias of every pair.

        Args:
            pos: Points of padded sets, shape (b, m, d).
        """
        pos = pos.detach().to(torch.promote_types(pos.dtype, torch.float32))  # torch has no half distances
        distance = torch.cdist(pos, pos)
        first, last = self.log_range.to(distance.dtype)
        step = (last - first) / (self.bins - 2)
        place = ((distance.clamp_(min=1e-12).log_() - first) / step).floor_().add_(1)
        # Clamped as integers, so that NaN, which becomes any of them, falls into a bin too.
        place = place.long().clamp_(0, self.bins - 1)
        values = self.scale * self.bin @ self.weight
        return values[place] if is_transformed() else _Lookup.apply(values, place)

    def extra_repr(self) -> str:
        """What it was built with."""
        return f"bins={self.bins}, channels={self.weight.numel()}"


class _Lookup(torch.autograd.Function):
    """``values[place]``, with a gradient that counts instead of scattering."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, place: Tensor) -> Tensor:
        ctx.save_for_backward(place)
        ctx.bins = values.numel()
        return values[place]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (place,), (grad,) = ctx.saved_tensors, grad_outputs
        if torch.is_grad_enabled():  # of a gradient that is differentiated again; counting has no derivative
            return grad.new_zeros(ctx.bins).index_add(0, place.flatten(), grad.flatten()), None
        return torch.bincount(place.flatten(), grad.flatten(), minlength=ctx.bins), None

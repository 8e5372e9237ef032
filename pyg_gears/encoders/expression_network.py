"""The trainable part of the expression encoder: a linear map plus a small perceptron."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ExpressionNetwork(nn.Module):
    r"""Features in, embedding out.

    .. math:: h = A f + \mathrm{MLP}(f)

    With ``residual``, A starts as the identity on the first channels and the perceptron's last layer at zero, so that
    training starts from the features themselves. Without it h = MLP(f), the plain encoder.

    Args:
        in_channels: Channels of the features.
        out_channels: Channels of the embedding; with ``residual`` at most ``in_channels`` start as features.
        hidden: Widths of the perceptron's hidden layers; may be empty.
        residual: Whether there is a linear map beside the perceptron.
    """

    def __init__(self, in_channels: int, out_channels: int, hidden: Sequence[int] = (64,), *, residual: bool) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.linear = nn.Linear(in_channels, out_channels, bias=False) if residual else None
        self.mlp: nn.Sequential | None = None
        if hidden or not residual:
            widths = [in_channels, *hidden]
            layers: list[nn.Module] = []
            for width, after in itertools.pairwise(widths):
                layers += [nn.Linear(width, after), nn.GELU()]
            last = nn.Linear(widths[-1], out_channels)
            self.mlp = nn.Sequential(*layers, last)
        with torch.no_grad():
            if self.linear is not None:
                self.linear.weight.copy_(torch.eye(out_channels, in_channels))
                if self.mlp is not None:
                    last.weight.zero_()
                    last.bias.zero_()

    def forward(self, x: Float[Tensor, "n f"]) -> Float[Tensor, "n c"]:
        """Embed features (n, f) as (n, c)."""
        parts = [part(x) for part in (self.linear, self.mlp) if part is not None]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

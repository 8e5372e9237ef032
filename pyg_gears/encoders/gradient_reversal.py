"""A slide classifier that the encoder is trained against."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float = 1.0) -> Tensor:
    """The same values; in the backward pass the gradient is multiplied by ``-strength``.

    Source: Ganin and Lempitsky, Unsupervised domain adaptation by backpropagation, 2015.
    """
    return _Reverse.apply(x, strength)


class SlideAdversary(nn.Module):
    """Tell slides apart by their embedding, and push the embedding to make that impossible.

    Args:
        in_channels: Channels of the embedding.
        slides: Number of slides.
        hidden_channels: Width of the classifier.
    """

    def __init__(self, in_channels: int, slides: int, hidden_channels: int = 64) -> None:
        super().__init__()
        self.classifier = nn.Sequential(
            nn.Linear(in_channels, hidden_channels), nn.ReLU(), nn.Linear(hidden_channels, slides)
        )

    def forward(self, x: Float[Tensor, "n c"], slide: Int[Tensor, " n"], strength: float = 1.0) -> Tensor:
        """Mean cross-entropy of the classifier; its own gradient descends, that of ``x`` ascends.

        Args:
            x: Embedding, shape (n, c).
            slide: Number of each spot's slide, shape (n,).
            strength: Weight of the reversed gradient.
        """
        return F.cross_entropy(self.classifier(reverse_gradient(x, strength)), slide)

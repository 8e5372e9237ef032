"""A layer that turns the gradient around, for training against a classifier."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


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


def reversal_strength(progress: float) -> float:
    r"""Strength of the reversed gradient, which rises while the classifier learns: :math:`2 / (1 + e^{-10 p}) - 1`.

    Args:
        progress: Share p of the training that is done, in [0, 1].

    Source: Ganin and Lempitsky, 2015.

    >>> [round(reversal_strength(p), 2) for p in (0.0, 0.1, 0.5, 1.0)]
    [0.0, 0.46, 0.99, 1.0]
    """
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0

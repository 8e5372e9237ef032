"""Means that stay finite where a batch leaves nothing to average."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def mean_or_zero(values: Float[Tensor, ...]) -> Float[Tensor, ""]:
    """Mean of all entries; 0, with gradients of zero, where there are none, as in a batch of empty graphs.

    >>> import torch
    >>> [float(mean_or_zero(torch.ones(count, 2))) for count in (0, 3)]
    [0.0, 1.0]
    """
    return values.mean() if values.numel() else values.sum()

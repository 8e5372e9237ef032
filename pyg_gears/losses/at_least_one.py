"""What is averaged where there may be nothing to average."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def at_least_one(values: Float[Tensor, " ..."]) -> Float[Tensor, " ..."]:
    """The values as they are, or a single zero in place of none: a mean over nothing is 0, with a gradient of 0.

    Args:
        values: What is averaged, any shape.

    >>> import torch
    >>> float(at_least_one(torch.zeros(0)).mean())
    0.0
    """
    return values if values.numel() else values.sum()[None]

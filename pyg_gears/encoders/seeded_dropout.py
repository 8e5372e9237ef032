"""Dropout whose mask comes from a generator."""

from __future__ import annotations

import torch
from torch import Tensor


def seeded_dropout(x: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Set a share of the entries to zero and scale up the others, so that the mean stays.

    Args:
        x: Values, any shape.
        share: Share of zeros, in [0, 1).
        generator: Source of the mask, on the CPU; torch's global one if omitted.
    """
    if share == 0:
        return x
    keep = torch.rand(x.shape, generator=generator).to(x.device) >= share
    return x * keep / (1 - share)

"""All distances of a layout, the slow and exact way."""

from __future__ import annotations

import torch
from torch import Tensor


def pairwise_distance(pos: Tensor) -> Tensor:
    """Distances of all pairs of points (n, d), shape (n, n); gradient 0 where two coincide."""
    square = (pos[:, None] - pos[None]).square().sum(dim=-1)
    positive = square > 0
    return torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0.0)

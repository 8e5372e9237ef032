"""Farthest-point sampling: landmarks that cover a layout."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def farthest_points(pos: Float[Tensor, "n d"], m: int, start: int = 0) -> Int[Tensor, " m"]:
    """Choose m points, each the farthest from those chosen before it (ties to the lower index).

    Args:
        pos: Coordinates, shape (n, d).
        m: Number of points, clipped to n.
        start: Index of the first point.

    Returns:
        Indices in the order of choice, shape (m,).

    Source: Gonzalez, Clustering to minimize the maximum intercluster distance, 1985.

    >>> farthest_points(torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]), 2)
    tensor([0, 2])
    """
    m = min(m, pos.size(0))
    chosen = torch.empty(m, dtype=torch.long, device=pos.device)
    nearest = pos.new_full((pos.size(0),), float("inf"))
    current = torch.tensor(start, device=pos.device)
    for step in range(m):
        chosen[step] = current
        nearest = torch.minimum(nearest, (pos - pos[current]).square().sum(dim=-1))
        nearest[current] = -1.0
        current = nearest.argmax()
    return chosen

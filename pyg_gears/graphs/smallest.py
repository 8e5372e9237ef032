"""The smallest values of every row of a matrix, fast for wide rows."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

LEAST_WIDTH = 4
"""Columns of a group from which the search by groups pays."""


def smallest(distance: Float[Tensor, "n m"], k: int) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
    """The k smallest of every row in ascending order; among equal values those of the lower index."""
    value, column = some_smallest(distance, k + 1) if k < distance.size(1) else distance.topk(k, largest=False)
    if value.size(1) > k:
        # topk is free to choose among equal values: rows where a tie crosses the k-th place are settled by a stable
        # sort.
        torn = (value[:, k] == value[:, k - 1]).nonzero().flatten()
        value, column = value[:, :k].clone(), column[:, :k].clone()
        if torn.numel():
            ordered, order = distance[torn].sort(dim=1, stable=True)
            value[torn], column[torn] = ordered[:, :k], order[:, :k]
    column, by_index = column.sort(dim=1)
    value, by_value = value.gather(1, by_index).sort(dim=1, stable=True)
    return value, column.gather(1, by_value)


def some_smallest(distance: Float[Tensor, "n m"], k: int) -> tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]:
    """The k smallest of every row in ascending order, in no particular order among equal values.

    They lie in the k groups of columns whose smallest values are smallest: whatever lies elsewhere is no smaller than the k
    values that lead these groups. One pass over the row finds them; sorting sees what is left.
    """
    n = distance.size(1)
    width = int((n / (2 * k)) ** 0.5)
    if width < LEAST_WIDTH:
        return distance.topk(k, largest=False)
    groups = n // width
    lead = distance[:, : groups * width].view(-1, width, groups).amin(dim=1)
    chosen = lead.topk(k, largest=False, sorted=False).indices
    column = (chosen[:, None] + groups * torch.arange(width, device=distance.device)[:, None]).flatten(1)
    rest = torch.arange(groups * width, n, device=distance.device).expand(distance.size(0), -1)
    column = torch.cat([column, rest], dim=1)
    value, place = distance.gather(1, column).topk(k, largest=False)
    return value, column.gather(1, place)

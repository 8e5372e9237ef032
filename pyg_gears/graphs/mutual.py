"""Mutual neighbours: each among the other's k nearest."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def mutual(index: Int[Tensor, "n k"]) -> Bool[Tensor, "n k"]:
    """Whether row i is also among the neighbours of its neighbour ``index[i, a]``.

    Args:
        index: Neighbours of every row, shape (n, k), each row without repeats.

    Returns:
        Mask of shape (n, k).

    >>> mutual(torch.tensor([[1], [0], [1]])).flatten()
    tensor([ True,  True, False])
    """
    n = index.size(0)
    own = torch.arange(n, device=index.device)[:, None].expand_as(index)
    return torch.isin(own * n + index, index * n + own)

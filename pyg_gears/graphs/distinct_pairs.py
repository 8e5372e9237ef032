"""The distinct pairs of nodes in a list with repeats."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

CELLS_PER_PAIR = 16
"""Cells of the table of all pairs, for each pair listed, up to which a table is faster than sorting."""


class DistinctPairs(NamedTuple):
    """Pairs in ascending order, each once, as ``first * n + second``, and how often each was listed."""

    key: Int[Tensor, " p"]
    times: Int[Tensor, " p"]


def distinct_pairs(key: Int[Tensor, " m"], num_nodes: int) -> DistinctPairs:
    """Sort pairs of nodes and drop repeats.

    Args:
        key: Pairs as ``first * n + second``, in any order, shape (m,).
        num_nodes: Nodes n.

    Returns:
        The distinct pairs and how often each was listed.

    >>> distinct_pairs(torch.tensor([5, 1, 5]), 3)
    DistinctPairs(key=tensor([1, 5]), times=tensor([1, 2]))
    """
    if num_nodes**2 > CELLS_PER_PAIR * key.numel():
        return DistinctPairs(*key.unique(return_counts=True))
    count = torch.bincount(key, minlength=num_nodes**2)
    found = count.nonzero().flatten()
    return DistinctPairs(found, count[found])

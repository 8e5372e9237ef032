"""Overlap of neighbourhoods."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK = 256


def jaccard(index: Int[Tensor, "n k"]) -> Float[Tensor, "n k"]:
    r"""Jaccard index of the neighbourhoods of a row and of each of its neighbours.

    .. math:: J_{ij} = \frac{|N(i) \cap N(j)|}{|N(i) \cup N(j)|}

    Args:
        index: Neighbours of every row, shape (n, k), each row without repeats and without the row itself.

    Returns:
        Values in [0, 1), shape (n, k), float32. O(n k^2) time, in chunks.

    >>> jaccard(torch.tensor([[1, 2], [0, 2], [0, 1]]))[0]
    tensor([0.3333, 0.3333])
    """
    n, k = index.shape
    overlap = []
    for start in range(0, n, CHUNK):
        rows = index[start : start + CHUNK]
        member = torch.zeros(rows.size(0), n, dtype=torch.bool, device=index.device).scatter_(1, rows, True)
        second = index[rows].reshape(rows.size(0), k * k)
        overlap.append(member.gather(1, second).view(rows.size(0), k, k).sum(dim=-1))
    shared = torch.cat(overlap) if overlap else index
    return shared / (2 * k - shared).clamp(min=1)

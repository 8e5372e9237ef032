"""Neighbours in expression stay neighbours in the embedding."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def neighbor_consistency(
    x: Float[Tensor, "b c"], cached: Float[Tensor, "n c"], neighbors: Int[Tensor, "b k"]
) -> Float[Tensor, ""]:
    r"""Cosine of a row with its neighbours in expression, whose embeddings come from a cache.

    .. math:: -\frac1{bk} \sum_i \sum_{j \in N(i)} \cos(x_i, \bar x_j)

    The neighbours need not be in the batch, and have no gradient.

    Args:
        x: Embeddings of a batch, shape (b, c).
        cached: Embeddings of all spots and cells as they were some steps ago, shape (n, c).
        neighbors: Nearest neighbours in expression of the batch's rows, numbers of rows of ``cached``, shape (b, k).

    Returns:
        The loss, in [-1, 1].

    Source: the kNN term of the published GEARS encoder.
    """
    near = F.normalize(cached.detach(), dim=1)[neighbors]
    return -(F.normalize(x, dim=1)[:, None] * near).sum(dim=2).mean()

"""Does the embedding's neighbourhood agree with the tissue's? What an encoder can be judged by on a slide it never saw."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.graphs import knn
from pyg_gears.typing import IntArray, Metric

NEIGHBORS = 20
RECALL_NEIGHBORS = 100
MAX_PAIRS = 200_000


class NeighborAgreement(NamedTuple):
    """How far the neighbours in an embedding H are neighbours in the tissue.

    Attributes:
        overlap: Mean share of the k nearest spots in H that are among the k nearest in the tissue, in [0, 1]; higher is
            better, chance k / (n - 1).
        recall: Mean share of the k physical neighbours found among the ``recall_k`` nearest in H, in [0, 1]; chance
            ``recall_k`` / (n - 1).
        mean_distance: Mean physical distance to the k nearest in H over the mean distance of all pairs of spots; lower is
            better, chance 1.
    """

    overlap: float
    recall: float
    mean_distance: float


def neighbor_agreement(
    x: Float[Tensor, "n c"],
    pos: Float[Tensor, "n d"],
    *,
    k: int = NEIGHBORS,
    recall_k: int = RECALL_NEIGHBORS,
    metric: Metric = "cosine",
) -> NeighborAgreement:
    r"""Compare the nearest neighbours in an embedding with those in the tissue.

    .. math:: \mathrm{overlap@}k = \frac{1}{nk} \sum_i |N_H^k(i) \cap N_X^k(i)|, \quad
        \mathrm{recall@}m = \frac{1}{nk} \sum_i |N_H^m(i) \cap N_X^k(i)|

    with N_H the neighbours in the embedding and N_X those in the tissue. Unaffected by the unit and pose of the slide.

    Args:
        x: Embedding of one slide, shape (n, c).
        pos: Coordinates of its spots, shape (n, d), any unit.
        k: Neighbours compared; clipped to n - 1.
        recall_k: Neighbours in H among which the physical ones are looked for, at least k; clipped to n - 1.
        metric: Distance in H, "cosine" or "euclidean".

    Returns:
        Overlap, recall and relative distance.

    Raises:
        InputError: unless n >= 2 and the shapes agree, or for ``recall_k`` below k.

    >>> pos = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    >>> neighbor_agreement(pos, pos, k=5, recall_k=10, metric="euclidean")[:2]
    (1.0, 1.0)
    """
    n = x.size(0)
    expect(
        n >= 2 and pos.size(0) == n,
        f"expected an embedding and positions of the same two or more spots, found {n} and "
        f"{pos.size(0)} rows; pass both for one slide.",
    )
    expect(
        1 <= k <= recall_k,
        f"expected 1 <= k <= recall_k, found k={k} and recall_k={recall_k}; raise recall_k.",
    )
    pos = pos.detach().cpu().double()
    k, recall_k = min(k, n - 1), min(recall_k, n - 1)
    near_pos = nearest_neighbors(pos, k).index.numpy()
    near_x = knn(x, recall_k, metric=metric).index.cpu().numpy()
    reach = (pos[near_x[:, :k]] - pos[:, None]).norm(dim=-1).mean()
    return NeighborAgreement(
        _shared(near_x[:, :k], near_pos) / (n * k),
        _shared(near_x, near_pos) / (n * k),
        float(reach) / max(_mean_distance(pos), 1e-300),
    )


def _shared(a: IntArray, b: IntArray) -> int:
    """How many entries the rows of two index tables have in common, summed over the rows."""
    row = np.arange(len(a))[:, None] * len(a)
    return int(np.isin(a + row, b + row, assume_unique=True).sum())


def _mean_distance(pos: Tensor) -> float:
    """Mean distance over all pairs, or over a fixed draw of pairs where there are many."""
    n = len(pos)
    i, j = torch.triu_indices(n, n, offset=1) if n * (n - 1) // 2 <= MAX_PAIRS else _drawn_pairs(n)
    return float((pos[i] - pos[j]).norm(dim=-1).mean())


def _drawn_pairs(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    i = torch.randint(n, (MAX_PAIRS,), generator=generator)
    j = (i + torch.randint(1, n, (MAX_PAIRS,), generator=generator)) % n
    return torch.stack([i, j])

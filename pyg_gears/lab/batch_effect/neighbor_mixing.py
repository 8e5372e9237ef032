"""How well groups (slides, or cells and spots) are mixed among the neighbours in an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.graphs import knn
from pyg_gears.typing import FloatArray, Metric

NEIGHBORS = 30


class NeighborMixing(NamedTuple):
    """Mixing of groups among nearest neighbours; higher is better mixed.

    Attributes:
        entropy: Mean entropy of the neighbours' groups over the entropy of the groups in all, in [0, 1] up to sampling.
        ilisi: Mean inverse Simpson index of the neighbours' groups: how many groups a neighbourhood effectively holds, from 1
            to the number of groups.
        entropy_mixed: Entropy that the same neighbourhoods would have with shuffled groups.
        ilisi_mixed: Index that the same neighbourhoods would have with shuffled groups.
    """

    entropy: float
    ilisi: float
    entropy_mixed: float
    ilisi_mixed: float


def neighbor_mixing(
    x: Float[Tensor, "n c"],
    labels: Sequence[Any] | NDArray[Any],
    *,
    k: int = NEIGHBORS,
    metric: Metric = "cosine",
    seed: int = 0,
) -> NeighborMixing:
    r"""Entropy and inverse Simpson index of the groups among the k nearest rows of every row.

    .. math:: \mathrm{entropy} = \frac{\mathrm{mean}_i - \sum_s p_{is} \log p_{is}}{- \sum_s p_s \log p_s}, \quad
        \mathrm{iLISI} = \mathrm{mean}_i \frac{1}{\sum_s p_{is}^2}

    with :math:`p_{is}` the share of group s among the neighbours of i, and :math:`p_s` its share of all. Neighbours count
    alike: the published LISI weighs them by a Gaussian of fixed perplexity.

    Args:
        x: Embedding of all groups, shape (n, c).
        labels: Group of each row, shape (n,); at least two groups.
        k: Neighbours; clipped to n - 1.
        metric: Distance in the embedding, "cosine" or "euclidean".
        seed: Seed of the shuffle.

    Returns:
        Both scores and their values for perfect mixing.

    Raises:
        InputError: unless there are two or more groups and one label a row.

    Source: Korsunsky et al., Fast, sensitive and accurate integration of single-cell data with Harmony, 2019 (iLISI).
    """
    groups, label = np.unique(np.asarray(labels), return_inverse=True)
    expect(
        len(groups) >= 2 and len(label) == x.size(0),
        f"neighbor_mixing expected a label of two or more groups for each of {x.size(0)} rows, found {len(label)} labels "
        f"of {len(groups)} group(s); pass more.",
    )
    label = label.reshape(-1)
    near = knn(x, k, metric=metric).index.cpu().numpy()
    overall = float(_entropy(np.bincount(label) / len(label)))
    share = _shares(label, near, len(groups))
    mixed = _shares(np.random.default_rng(seed).permutation(label), near, len(groups))
    return NeighborMixing(
        float(_entropy(share).mean()) / overall,
        float((1 / np.square(share).sum(axis=-1)).mean()),
        float(_entropy(mixed).mean()) / overall,
        float((1 / np.square(mixed).sum(axis=-1)).mean()),
    )


def _shares(label: NDArray[Any], near: NDArray[Any], groups: int) -> FloatArray:
    return np.stack([(label[near] == group).mean(axis=1) for group in range(groups)], axis=1)


def _entropy(share: FloatArray) -> FloatArray:
    return -np.sum(share * np.log(np.where(share > 0, share, 1.0)), axis=-1)

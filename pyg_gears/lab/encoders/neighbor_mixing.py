"""Mixing of groups (slides, or cells and spots) among the neighbours in an embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.graphs import knn
from pyg_gears.lab.encoders.subject import Numbers, Scored, SlidesSubject, embedding_table, score_embeddings
from pyg_gears.lab.probe import Probe
from pyg_gears.typing import FloatArray, Metric

NEIGHBORS = 20


class NeighborMixing(NamedTuple):
    """Mixing of groups among nearest neighbours, 0 for none; higher is better mixed.

    Attributes:
        entropy: Mean entropy of the neighbours' groups over the entropy of the groups in all; 1 is ideal, up to sampling.
        ilisi: Mean of (inverse Simpson index - 1) / (S - 1) of the neighbours' groups, S the number of groups; 1 is ideal for
            groups of one size.
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
    r"""Normalised entropy and inverse Simpson index of the groups among the k nearest rows of every row.

    .. math:: \mathrm{entropy} = \frac{\mathrm{mean}_i - \sum_s p_{is} \log p_{is}}{- \sum_s p_s \log p_s}, \quad
        \mathrm{iLISI} = \mathrm{mean}_i \frac{1 / \sum_s p_{is}^2 - 1}{S - 1}

    with :math:`p_{is}` the share of group s among the neighbours of i, and :math:`p_s` its share of all. Neighbours count
    alike: the published LISI weighs them by a Gaussian of fixed perplexity.

    Args:
        x: Embedding of all groups, shape (n, c).
        labels: Group of each row, shape (n,); at least two groups.
        k: Neighbours; clipped to n - 1.
        metric: Distance in the embedding, "cosine" or "euclidean".
        seed: Seed of the shuffle.

    Returns:
        Both scores and their values for shuffled groups.

    Raises:
        InputError: unless there are two or more groups and one label per row.

    Source: Korsunsky et al., Fast, sensitive and accurate integration of single-cell data with Harmony, 2019 (iLISI).
    """
    groups, label = np.unique(np.asarray(labels), return_inverse=True)
    expect(
        len(groups) >= 2 and len(label) == x.size(0),
        f"expected a label of two or more groups for each of {x.size(0)} rows, found {len(label)} labels "
        f"of {len(groups)} group(s); pass more.",
    )
    label = label.reshape(-1)
    near = knn(x, k, metric=metric).index.cpu().numpy()
    overall = float(_entropy(np.bincount(label) / len(label)))
    share = _shares(label, near, len(groups))
    mixed = _shares(np.random.default_rng(seed).permutation(label), near, len(groups))
    return NeighborMixing(
        float(_entropy(share).mean()) / overall,
        _ilisi(share),
        float(_entropy(mixed).mean()) / overall,
        _ilisi(mixed),
    )


def _shares(label: NDArray[Any], near: NDArray[Any], groups: int) -> FloatArray:
    return np.stack([(label[near] == group).mean(axis=1) for group in range(groups)], axis=1)


def _entropy(share: FloatArray) -> FloatArray:
    return -np.sum(share * np.log(np.where(share > 0, share, 1.0)), axis=-1)


def _ilisi(share: FloatArray) -> float:
    return float((1 / np.square(share).sum(axis=-1) - 1).mean()) / (share.shape[-1] - 1)


def _measure(subject: SlidesSubject) -> dict[str, Scored]:
    def together(xs: Sequence[Tensor]) -> Numbers:
        return dict(neighbor_mixing(torch.cat(list(xs)), subject.labels, seed=subject.seed)._asdict())

    return score_embeddings(subject, together)


def _tables(record: Mapping[str, Scored]) -> Mapping[str, pd.DataFrame]:
    columns = {
        "entropy": "entropy",
        "ilisi": "iLISI",
        "entropy_mixed": "entropy, shuffled",
        "ilisi_mixed": "iLISI, shuffled",
    }
    title = f"Mixing of slides among {NEIGHBORS} neighbours, 0 none to 1 ideal (higher is better)"
    return {title: embedding_table(record, columns)}


PROBE = Probe("neighbor_mixing", _measure, _tables)

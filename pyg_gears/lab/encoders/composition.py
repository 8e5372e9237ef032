"""Composition: whether clusters of like spots have the same share on every slide."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.typing import FloatArray, IntArray

SHUFFLES = 20


class CompositionTest(NamedTuple):
    """Test of slides for the same shares of clusters.

    Attributes:
        counts: Spots of each slide in each cluster, shape (s, k).
        chi2: Pearson's statistic.
        degrees: Its degrees of freedom, (S - 1)(K - 1).
        p: Probability of such a statistic for spots drawn one by one from one composition.
        cramers_v: Strength, in [0, 1]: 0 for one composition, 1 for slides (or clusters, where these are fewer) without a
            cluster in common.
        cramers_v_chance: V of a statistic that equals its degrees of freedom, its mean for spots drawn one by one.
        tvd: Total variation distance of each two slides' shares, shape (s, s), in [0, 1].
        tvd_chance: Mean total variation distance of two different slides after the labels were shuffled.
    """

    counts: Int[np.ndarray, "s k"]
    chi2: float
    degrees: int
    p: float
    cramers_v: float
    cramers_v_chance: float
    tvd: Float[np.ndarray, "s s"]
    tvd_chance: float

    @property
    def mean_tvd(self) -> float:
        """Mean distance of two different slides."""
        return _mean_off(self.tvd)


def composition_test(clusters: IntArray, labels: IntArray, *, seed: int = 0) -> CompositionTest:
    r"""Chi-square test of independence of cluster and slide, its strength, and distances of compositions.

    .. math:: \chi^2 = \sum_{sk} \frac{(n_{sk} - n_s n_k / n)^2}{n_s n_k / n}, \quad
        V = \sqrt{\frac{\chi^2}{n \min(S - 1, K - 1)}}, \quad
        \mathrm{TVD}_{st} = \tfrac12 \sum_k \left| \frac{n_{sk}}{n_s} - \frac{n_{tk}}{n_t} \right|

    Neighbouring spots are alike, so that p is far too small for sections: read V and TVD, beside their values by chance.

    Args:
        clusters: Cluster of each spot, shape (n,).
        labels: Slide of each spot, shape (n,).
        seed: Seed of the shuffles.

    Raises:
        InputError: unless there are two or more slides and clusters, and one of each per spot.

    Source: Pearson, 1900; Cramer, Mathematical methods of statistics, 1946.
    """
    from scipy.stats import chi2

    slides, label = np.unique(np.asarray(labels), return_inverse=True)
    kinds, kind = np.unique(np.asarray(clusters), return_inverse=True)
    expect(
        len(label) == len(kind) and len(slides) >= 2 and len(kinds) >= 2,
        f"expected a slide and a cluster for each spot, two or more of both, found {len(label)} labels of {len(slides)} "
        f"slide(s) and {len(kind)} of {len(kinds)} cluster(s); pass more.",
    )
    counts = _counts(label, kind)
    n = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / n
    statistic = float((np.square(counts - expected) / expected).sum())
    degrees, most = (len(slides) - 1) * (len(kinds) - 1), n * min(len(slides) - 1, len(kinds) - 1)
    generator = np.random.default_rng(seed)
    shuffled = [_mean_off(_tvd(_counts(generator.permutation(label), kind))) for _ in range(SHUFFLES)]
    return CompositionTest(
        counts,
        statistic,
        degrees,
        float(chi2.sf(statistic, degrees)),
        float(np.sqrt(statistic / most)),
        float(np.sqrt(degrees / most)),
        _tvd(counts),
        float(np.mean(shuffled)),
    )


def soft_membership(x: Float[Tensor, "n c"], centers: Float[Tensor, "k c"]) -> Float[Tensor, "n k"]:
    r"""Probability of each cluster under equal round Gaussians around the centres.

    .. math:: p_{ik} \propto \exp\left(-\frac{\|x_i - c_k\|^2}{2 s^2}\right), \quad
        s^2 = \frac{1}{n c} \sum_i \min_k \|x_i - c_k\|^2

    Args:
        x: Embedding, shape (n, c).
        centers: Centres of the clusters, shape (k, c).
    """
    distance = torch.cdist(x, centers).square()
    width = distance.min(dim=1).values.mean() / x.size(1)
    return (-distance / (2 * width.clamp(min=1e-12))).softmax(dim=1)


def _counts(label: IntArray, kind: IntArray) -> IntArray:
    counts = np.zeros((label.max() + 1, kind.max() + 1), dtype=np.int64)
    np.add.at(counts, (label.reshape(-1), kind.reshape(-1)), 1)
    return counts


def _tvd(counts: IntArray) -> FloatArray:
    share = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray(0.5 * np.abs(share[:, None] - share[None]).sum(axis=2))


def _mean_off(table: FloatArray) -> float:
    return float(table[~np.eye(len(table), dtype=bool)].mean())

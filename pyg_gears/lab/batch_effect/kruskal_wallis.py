"""Which genes differ between slides: the Kruskal-Wallis test for all genes at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pyg_gears.errors import expect
from pyg_gears.typing import FloatArray

GENES_AT_ONCE = 500


class KruskalWallisOutput(NamedTuple):
    """Per gene, shape (g,) each.

    Attributes:
        statistic: H, corrected for ties; 0 for a gene that does not vary.
        effect: Share of the variance of ranks that lies between slides, H / (n - 1), in [0, 1]. Unlike p it does not depend on
            the number of spots.
        p: Probability of such an H without any difference; 1 for a gene that does not vary.
        q: p after Benjamini and Hochberg over the genes that vary: the false discovery rate at which the gene is called.
    """

    statistic: FloatArray
    effect: FloatArray
    p: FloatArray
    q: FloatArray


def kruskal_wallis(
    expression: sparse.csr_array | FloatArray, labels: Sequence[Any] | NDArray[Any]
) -> KruskalWallisOutput:
    r"""Test of each gene for the same distribution on every slide.

    .. math:: H = (n - 1) \frac{\sum_s n_s (\bar r_s - \bar r)^2}{\sum_i (r_i - \bar r)^2}

    with r the ranks over all spots (ties share their mean rank) and :math:`\bar r_s` their mean on slide s. Compared with
    chi-square of S - 1 degrees of freedom. Spots of a section are no independent draws, so that p is optimistic: sections of
    one tissue with another composition differ too. Read it beside the effect.

    Args:
        expression: Normalised expression of all slides, shape (n, g).
        labels: Slide of each spot, shape (n,); at least two slides.

    Returns:
        Statistic, effect, p and q of each gene.

    Raises:
        InputError: unless there are two or more slides and one label a spot.

    Source: Kruskal and Wallis, Use of ranks in one-criterion variance analysis, 1952; Benjamini and Hochberg, Controlling the
    false discovery rate, 1995.
    """
    from scipy.stats import chi2, false_discovery_control, rankdata

    slides, label = np.unique(np.asarray(labels), return_inverse=True)
    n, genes = expression.shape
    expect(
        len(slides) >= 2 and len(label) == n,
        f"kruskal_wallis expected a label of two or more slides for each of {n} spots, found {len(label)} labels of "
        f"{len(slides)} slide(s); pass more.",
    )
    member = np.equal.outer(np.arange(len(slides)), label.reshape(-1)).astype(np.float64)
    size = member.sum(axis=1)
    effect = np.zeros(genes)
    for start in range(0, genes, GENES_AT_ONCE):
        part = expression[:, start : start + GENES_AT_ONCE]
        dense = part if isinstance(part, np.ndarray) else part.toarray()
        rank = rankdata(dense, axis=0) - (n + 1) / 2
        between = (size[:, None] * (member @ rank / size[:, None]) ** 2).sum(axis=0)
        total = (rank**2).sum(axis=0)
        np.divide(between, total, out=effect[start : start + GENES_AT_ONCE], where=total > 0)
    varies = effect > 0
    p = np.ones(genes)
    p[varies] = chi2.sf((n - 1) * effect[varies], len(slides) - 1)
    q = np.ones(genes)
    if varies.any():
        q[varies] = false_discovery_control(p[varies])
    return KruskalWallisOutput((n - 1) * effect, effect, p, q)

"""Genes that differ between slides: the Kruskal-Wallis test of every gene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from pyg_gears.encoders.centering import normalize_expression
from pyg_gears.errors import expect
from pyg_gears.lab.encoders.subject import SlidesSubject
from pyg_gears.lab.probe import Probe
from pyg_gears.typing import FloatArray

GENES_AT_ONCE = 500
FDR = 0.05
TOP_GENES = 20


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


class DifferingGenes(NamedTuple):
    """Genes that differ between slides.

    Attributes:
        fdr: False discovery rate at which a gene is called.
        genes: Number of genes tested.
        significant: Number of genes called.
        median_effect: Effect of the median gene.
        top: The 20 genes of largest effect: ``gene``, ``effect``, ``statistic``, ``q``.
    """

    fdr: float
    genes: int
    significant: int
    median_effect: float
    top: tuple[dict[str, Any], ...]


def kruskal_wallis(
    expression: sparse.csr_array | FloatArray, labels: Sequence[Any] | NDArray[Any]
) -> KruskalWallisOutput:
    r"""Test of each gene for the same distribution on every slide, by :func:`scipy.stats.kruskal`.

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
        InputError: unless there are two or more slides and one label per spot.

    Source: Kruskal and Wallis, Use of ranks in one-criterion variance analysis, 1952; Benjamini and Hochberg, Controlling the
    false discovery rate, 1995.
    """
    from scipy.stats import false_discovery_control, kruskal

    slides, label = np.unique(np.asarray(labels), return_inverse=True)
    n, genes = expression.shape
    expect(
        len(slides) >= 2 and len(label) == n,
        f"expected a label of two or more slides for each of {n} spots, found {len(label)} labels of "
        f"{len(slides)} slide(s); pass more.",
    )
    statistic, p = np.zeros(genes), np.ones(genes)
    member = [label.reshape(-1) == number for number in range(len(slides))]
    for start in range(0, genes, GENES_AT_ONCE):
        part = expression[:, start : start + GENES_AT_ONCE]
        dense = part if isinstance(part, np.ndarray) else part.toarray()
        varies = start + np.flatnonzero(np.ptp(dense, axis=0) > 0)
        if varies.size:
            found = kruskal(*(dense[inside][:, varies - start] for inside in member), axis=0)
            statistic[varies], p[varies] = found.statistic, found.pvalue
    q = np.ones(genes)
    called = statistic > 0
    if called.any():
        q[called] = false_discovery_control(p[called])
    return KruskalWallisOutput(statistic, statistic / (n - 1), p, q)


def gene_test(subject: SlidesSubject) -> KruskalWallisOutput:
    """The test on the normalised expression of the subject's slides."""
    expression = sparse.csr_array(sparse.vstack([normalize_expression(slide) for slide in subject.slides]))
    return kruskal_wallis(expression, subject.labels)


def _measure(subject: SlidesSubject) -> DifferingGenes:
    test, genes = gene_test(subject), subject.slides[0].genes
    order = np.argsort(-test.effect, kind="stable")[:TOP_GENES]
    top = tuple(
        {"gene": genes[i], "effect": test.effect[i], "statistic": test.statistic[i], "q": test.q[i]} for i in order
    )
    return DifferingGenes(FDR, len(genes), int((test.q <= FDR).sum()), float(np.median(test.effect)), top)


def _tables(record: DifferingGenes) -> Mapping[str, pd.DataFrame]:
    title = (
        f"Kruskal-Wallis: {record.significant} of {record.genes} genes differ between slides at a false discovery rate of "
        f"{record.fdr:g};\nslides explain {record.median_effect:.1%} of the rank variance of the median gene. Largest"
    )
    return {title: pd.DataFrame(record.top[:5]).set_index("gene").rename_axis(None)}


PROBE = Probe("kruskal_wallis", _measure, _tables)

"""Library normalisation and per-slide centring of genes: the batch effect between slides is a shift of gene means."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from pyg_gears.data.slide import Slide
from pyg_gears.errors import expect, nearest_name
from pyg_gears.typing import FloatArray

MIN_STD = 1e-6
ROWS = 2**12
"""Spots or cells that are normalised at a time."""
TRANSFORMS = ("log1p", "sqrt")


class Normalization(NamedTuple):
    """From counts to values of comparable noise.

    Attributes:
        target_sum: Counts are scaled to this sum per spot.
        transform: "log1p" or "sqrt" of the scaled counts.
    """

    target_sum: float = 1e4
    transform: str = "log1p"


class GeneStatistics(NamedTuple):
    """Mean and standard deviation of each gene over the spots of one slide, shape (g,) each."""

    mean: FloatArray
    std: FloatArray


def normalize_expression(slide: Slide, normalization: Normalization | None = None) -> sparse.csr_array:
    """Counts scaled to a common sum, then log1p or square root, as a sparse float32 (n, g) matrix.

    It shares the places of its entries with the counts: change values only.

    Spots without counts stay zero. log1p of a small sum (1000) keeps the noise of rare genes low, as the square root does
    (Freeman and Tukey, 1950); log1p of counts per 10,000, the default, is the field's habit.

    Raises:
        InputError: for another transform.
    """
    return normalize_counts(slide.counts, normalization or Normalization())


def normalize_counts(counts: sparse.csr_array, normalization: Normalization) -> sparse.csr_array:
    """:func:`normalize_expression` of some rows of a slide's counts.

    Raises:
        InputError: for another transform.
    """
    target_sum, transform = normalization
    expect(
        transform in TRANSFORMS,
        f"expected transform among {', '.join(TRANSFORMS)}, found {transform!r}{nearest_name(transform, TRANSFORMS)}; name one.",
    )
    # In float64: counts near the largest float32 would sum to infinity, and their spots become empty.
    total = np.asarray(counts.sum(axis=1, dtype=np.float64)).reshape(-1)
    factor = np.divide(target_sum, total, out=np.zeros_like(total), where=total > 0)
    # Some rows at a time: in float64 the whole would be several times the counts.
    data = np.empty(len(counts.data), dtype=np.float32)
    for first in range(0, len(total), ROWS):
        ptr = counts.indptr[first : first + ROWS + 1]
        rows = slice(ptr[0], ptr[-1])
        scaled = np.repeat(factor[first : first + ROWS], np.diff(ptr)) * counts.data[rows]
        data[rows] = np.log1p(scaled) if transform == "log1p" else np.sqrt(scaled)
    return sparse.csr_array((data, counts.indices, counts.indptr), shape=counts.shape, copy=False)


def project_expression(slide: Slide, weight: FloatArray, normalization: Normalization) -> FloatArray:
    r"""Normalised expression, centred by gene over the slide, times a matrix: :math:`(X - \bar X)\, W`.

    Some rows at a time, so that nothing is held beside the counts and the result: the mean of X W is that of X, times W.

    Args:
        slide: Counts of the spots or cells, shape (n, g).
        weight: W, shape (g, c), float64.
        normalization: How counts are normalised.

    Returns:
        Shape (n, c), float64.
    """
    values = np.empty((len(slide), weight.shape[1]))
    for first in range(0, len(slide), ROWS):
        rows = slice(first, first + ROWS)
        values[rows] = normalize_counts(slide.counts[rows], normalization) @ weight
    return values - values.mean(axis=0)


def gene_statistics(expression: sparse.csr_array) -> GeneStatistics:
    """Mean and standard deviation of each gene, from a sparse (n, g) matrix, float64.

    A gene with one value in 4,000 spots has a deviation below 1e-6; sums in float32 would give it up to 0.03.
    """
    n = max(expression.shape[0], 1)
    # Products, as scipy's sum adds up in the type of the matrix whatever type is asked for.
    ones = np.ones(expression.shape[0])
    mean = ones @ expression / n
    squares = np.square(expression.data, dtype=np.float64)
    square = ones @ sparse.csr_array((squares, expression.indices, expression.indptr), shape=expression.shape) / n
    return GeneStatistics(mean, np.sqrt(np.maximum(square - mean**2, 0.0)))


def center(expression: sparse.csr_array, *, zscore: bool = False) -> FloatArray:
    """Subtract each gene's mean over this slide and, with ``zscore``, divide by its standard deviation.

    The usual ``+ mean over all slides`` is left to the caller: it is a constant that any later PCA removes again. A gene
    that does not vary on the slide becomes zero.

    Args:
        expression: Normalised expression of one slide, shape (n, g).
        zscore: Whether to divide by the standard deviation. No encoder of the method does (it adds nothing to centring); the
            comparison of batch corrections does.

    Returns:
        Dense float32 values, shape (n, g).
    """
    statistics = gene_statistics(expression)
    values = np.asarray(expression.toarray(), dtype=np.float32) - statistics.mean.astype(np.float32)
    if zscore:
        varies = statistics.std > MIN_STD
        inverse = np.divide(1.0, statistics.std, out=np.zeros_like(statistics.std), where=varies)
        values *= inverse.astype(np.float32)
    return values

"""Directions in gene space: principal components, and components that vary smoothly over the tissue."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import orthogonal_procrustes
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from pyg_gears.encoders.leading_eigenvectors import leading_eigenvectors
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.graphs import neighbors_csr
from pyg_gears.typing import BoolArray, FloatArray, IntArray

LATTICE_NEIGHBORS = 6


class Block(NamedTuple):
    """Centred expression of one slide or of the cells, and how its spots weigh in each of the forms.

    Attributes:
        values: X, centred expression, shape (n, g); an array, or an operator such as
            :func:`~pyg_gears.encoders.centered_operator.centered_operator`.
        forms: W of each form, symmetric, shape (n, n): :func:`kept_spots` or :func:`kept_graph`.
        weight: How much the block counts.
    """

    values: FloatArray | LinearOperator
    forms: Sequence[sparse.csr_array]
    weight: float = 1.0


def kept_spots(kept: BoolArray) -> sparse.csr_array:
    """The form of principal components: one on the diagonal for each kept spot, the identity where all are, shape (n, n)."""
    return sparse.csr_array(sparse.diags_array(kept.astype(np.float64)))


def kept_graph(points: FloatArray, kept: BoolArray) -> sparse.csr_array:
    """The form of spatial components: :func:`neighbor_graph` of the kept spots, empty rows for the others, shape (n, n)."""
    place, own = np.flatnonzero(kept), neighbor_graph(points[kept]).tocoo()
    return sparse.csr_array((own.data, (place[own.row], place[own.col])), shape=(len(kept), len(kept)))


def neighbor_graph(points: FloatArray, k: int = LATTICE_NEIGHBORS) -> sparse.csr_array:
    """:func:`mean_graph` of the k nearest other points of each point, shape (n, n)."""
    return mean_graph(nearest_neighbors(torch.from_numpy(np.array(points)), k).index.numpy())


def mean_graph(neighbors: IntArray) -> sparse.csr_array:
    """Graph that averages over neighbours, made symmetric with its transpose; no self-loops, shape (n, n)."""
    graph = neighbors_csr(neighbors, 1.0 / neighbors.shape[1])
    return sparse.csr_array((graph + graph.T) / 2)


def leading_components(blocks: Sequence[Block], count: int) -> list[FloatArray]:
    r"""For each form f the leading eigenvectors of :math:`\sum_b w_b X_b^T W_{bf} X_b`, shape (g, count) each.

    With the neighbour graph without self-loops as W, noise which is independent between spots drops out and what varies
    smoothly over the tissue stays. With the identity they are the principal components.

    Args:
        blocks: Slides and cells, all on the same genes and with as many forms.
        count: Components; fewer where genes or spots are fewer.

    Source: Dray, Said and Debias, Spatial ordination of vegetation data using a generalization of Wartenberg's multivariate
    spatial correlation (MULTISPATI), 2008. We sum over several sections. Pearson, On lines and planes of closest fit, 1901.
    """
    genes = blocks[0].values.shape[1]
    count = min(count, genes - 1, sum(block.values.shape[0] for block in blocks) - 1)
    found = []
    for vector in leading_eigenvectors(partial(_multiply, blocks), len(blocks[0].forms), genes, count):
        sign = np.sign(vector[np.abs(vector).argmax(axis=0), np.arange(count)])
        found.append(np.asarray(vector * sign))
    return found


def principal_components(values: FloatArray | LinearOperator, count: int) -> FloatArray:
    """Leading eigenvectors of X^T X for centred X, shape (g, count)."""
    everything = kept_spots(np.ones(values.shape[0], dtype=bool))
    return leading_components([Block(values, [everything])], count)[0]


def align_components(components: FloatArray, reference: FloatArray, variance: FloatArray) -> FloatArray:
    r"""Rotate components so that they match others: :math:`V R`, R the Procrustes rotation weighted by variance.

    Args:
        components: V, shape (g, c).
        reference: V_0, shape (g, c).
        variance: Variance along each reference component, shape (c,).
    """
    rotation, _ = orthogonal_procrustes(components, reference * variance)
    return np.asarray(components @ rotation)


def leading_value(blocks: Sequence[Block]) -> float:
    """The largest eigenvalue of the first form: how much the blocks weigh together; at least 1e-12."""
    own = [block._replace(forms=block.forms[:1]) for block in blocks]
    vector = leading_components(own, 1)[0]
    return max(float(np.vdot(vector, _multiply(own, [vector])[0])), 1e-12)


def _multiply(blocks: Sequence[Block], vectors: Sequence[FloatArray]) -> list[FloatArray]:
    """Each form times its vectors of genes, shape (g, b) each; the values are gone over twice, for all forms at once."""
    joined, ends = np.hstack(vectors), np.cumsum([part.shape[1] for part in vectors])[:-1]
    result = np.zeros(joined.shape)
    for values, forms, weight in blocks:
        operator = aslinearoperator(values)
        scores = np.split(np.asarray(operator.matmat(joined)), ends, axis=1)
        result += weight * operator.rmatmat(np.hstack([w @ part for w, part in zip(forms, scores, strict=True)]))
    return np.split(result, ends, axis=1)

"""Directions in gene space: principal components, and components that vary smoothly over the tissue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import orthogonal_procrustes
from scipy.sparse.linalg import LinearOperator, aslinearoperator, eigsh

from pyg_gears.geometry import nearest_neighbors
from pyg_gears.graphs import neighbors_csr
from pyg_gears.typing import FloatArray, IntArray

LATTICE_NEIGHBORS = 6


class Block(NamedTuple):
    """Centred expression of one slide or of the cells, with the graph over which its components are to be smooth.

    Attributes:
        values: Centred expression, shape (n, g); an array, or an operator such as
            :func:`~pyg_gears.encoders.centered_operator.centered_operator`.
        graph: Symmetric neighbour graph, rows summing to about one, shape (n, n).
        weight: How much the block counts.
    """

    values: FloatArray | LinearOperator
    graph: sparse.csr_array
    weight: float = 1.0


def neighbor_graph(points: FloatArray, k: int = LATTICE_NEIGHBORS) -> sparse.csr_array:
    """:func:`mean_graph` of the k nearest other points of each point, shape (n, n)."""
    return mean_graph(nearest_neighbors(torch.from_numpy(np.array(points)), k).index.numpy())


def mean_graph(neighbors: IntArray) -> sparse.csr_array:
    """Graph that averages over neighbours, made symmetric with its transpose; no self-loops, shape (n, n)."""
    graph = neighbors_csr(neighbors, 1.0 / neighbors.shape[1])
    return sparse.csr_array((graph + graph.T) / 2)


def principal_components(blocks: Sequence[Block], count: int) -> FloatArray:
    r"""Leading eigenvectors of :math:`\sum_b w_b X_b^T X_b`, shape (g, count).

    Source: Pearson, On lines and planes of closest fit, 1901.
    """
    return _leading(blocks, count, smooth=False)


def spatial_components(blocks: Sequence[Block], count: int) -> FloatArray:
    r"""Leading eigenvectors of :math:`\sum_b w_b X_b^T W_b X_b`, shape (g, count).

    W is the neighbour graph without self-loops, so that noise which is independent between spots drops out and what varies
    smoothly over the tissue stays.

    Source: Dray, Said and Debias, Spatial ordination of vegetation data using a generalization of Wartenberg's multivariate
    spatial correlation (MULTISPATI), 2008. We sum over several sections.
    """
    return _leading(blocks, count, smooth=True)


def align_components(components: FloatArray, reference: FloatArray, variance: FloatArray) -> FloatArray:
    r"""Rotate components so that they match others: :math:`V R`, R the Procrustes rotation weighted by variance.

    Args:
        components: V, shape (g, c).
        reference: V_0, shape (g, c).
        variance: Variance along each reference component, shape (c,).
    """
    rotation, _ = orthogonal_procrustes(components, reference * variance)
    return np.asarray(components @ rotation)


def leading_value(blocks: Sequence[Block], components: Callable[[Sequence[Block], int], FloatArray]) -> float:
    """The largest value of the form whose leading vector ``components`` finds: how much the blocks weigh together."""
    vector = components(blocks, 1)[:, 0]
    value = float(vector @ _multiply(blocks, vector, smooth=components is spatial_components))
    return max(value, 1e-12)


def _multiply(blocks: Sequence[Block], vector: FloatArray, *, smooth: bool) -> FloatArray:
    """The form of all blocks times a vector of genes."""
    result = np.zeros(len(vector))
    for values, graph, weight in blocks:
        operator = aslinearoperator(values)
        scores = operator.matvec(vector)
        result += weight * operator.rmatvec(graph @ scores if smooth else scores)
    return result


def _leading(blocks: Sequence[Block], count: int, *, smooth: bool) -> FloatArray:
    genes = blocks[0].values.shape[1]
    count = min(count, genes - 1, sum(block.values.shape[0] for block in blocks) - 1)
    # The start vector fixes the solver's path: same input, same components.
    start = np.random.default_rng(0).standard_normal(genes)
    form = LinearOperator(
        (genes, genes), matvec=lambda vector: _multiply(blocks, vector.reshape(-1), smooth=smooth), dtype=np.float64
    )
    value, vector = eigsh(form, k=count, which="LA", v0=start, tol=1e-5)
    vector = vector[:, np.argsort(-value)]
    sign = np.sign(vector[np.abs(vector).argmax(axis=0), np.arange(count)])
    return np.asarray(vector * sign)

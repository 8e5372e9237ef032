"""The smoothest functions of a graph: eigenvectors of the lowest eigenvalues of a sparse Laplacian."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.spectral.fixed_basis import fixed_basis

DENSE = 600
"""Up to this number of nodes a dense solver is faster; above it nothing of n x n values is made."""

LANCZOS_VECTORS = 40
"""Lanczos vectors for k = 12: with these two rounds are enough, and they take less memory than the factor."""


class SpectralBasis(NamedTuple):
    """Lowest eigenvectors ``vectors`` (n, k), orthonormal, signs and rotations fixed by rule, ascending ``values`` (k,).

    ``gap`` is the distance from the last eigenvalue to the next one. Where it is zero a multiple eigenvalue is cut: which
    part of its space is here is then the solver's choice, and another k is the remedy.
    """

    values: Float[Tensor, " k"]
    vectors: Float[Tensor, "n k"]
    gap: float


def lowest_eigenvectors(laplacian: csr_array, k: int) -> SpectralBasis:
    r"""The k eigenvectors of the lowest eigenvalues, by Lanczos iteration on the shifted inverse.

    .. math:: (L + \tfrac1n I)^{-1} v = \frac{1}{\lambda + 1/n} v

    The shift is of the size of the eigenvalues that are sought, which go with 1/n in the plane. A sparse factor
    of L + I/n in minimum-degree order is computed once; a few dozen solves follow.

    Args:
        laplacian: Sparse, symmetric, positive semi-definite, shape (n, n): :func:`affinity_laplacian`.
        k: Number of eigenvectors, 1 to n - 1.

    Returns:
        The basis, float64, the same every time.

    Raises:
        InputError: for k outside 1 .. n - 1.

    Memory and time: k = 12 on a picture of 512 x 512 takes 7 CPU seconds and 510 MB; n log n memory, about n time.
    A factor of a graph that is no sheet (kNN in many dimensions) fills far more.

    Source: ARPACK by way of ``scipy.sparse.linalg.eigsh``, and SuperLU. LOBPCG with an algebraic multigrid
        preconditioner took three times as long on the same picture for residuals of 1e-8, too few digits where
        eigenvalues lie 1e-6 apart; Lanczos without the inverse does not converge in reasonable time.
    """
    n = laplacian.shape[0]
    expect(
        1 <= k < n, f"expected 1 to {n - 1} eigenvectors of {n} nodes, found k={k}; ask for fewer or pass more nodes."
    )
    value, vector = _by_component(laplacian, k + 1)
    gap = float(value[k] - value[k - 1])
    values = torch.from_numpy(value[:k].clip(min=0.0))
    return SpectralBasis(values, fixed_basis(values, torch.from_numpy(vector[:, :k].copy())), max(gap, 0.0))


def _by_component(laplacian: csr_array, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest pairs of every connected component, merged.

    Of the zeros of many components, Lanczos iteration on the whole graph misses some.
    """
    n = laplacian.shape[0]
    parts, label = connected_components(laplacian, directed=False)
    if parts == 1:
        return _connected(laplacian, count)
    # More components than are asked for have a zero each: the largest ones are as good as any.
    largest = np.argsort(-np.bincount(label), kind="stable")[:count]
    found = []
    for part in largest:
        nodes = np.flatnonzero(label == part)
        found.append((nodes, *_connected(laplacian[nodes][:, nodes], min(count, len(nodes)))))
    value = np.concatenate([v for _, v, _ in found])
    chosen = np.argsort(value, kind="stable")[:count]
    vector, first = np.zeros((n, count)), 0
    for nodes, v, u in found:
        for column in np.flatnonzero((chosen >= first) & (chosen < first + len(v))):
            vector[nodes, column] = u[:, chosen[column] - first]
        first += len(v)
    return value[chosen], vector


def _connected(laplacian: csr_array, count: int) -> tuple[np.ndarray, np.ndarray]:
    if laplacian.shape[0] <= DENSE or 8 * count > laplacian.shape[0]:
        value, vector = np.linalg.eigh(laplacian.toarray())
        return value[:count], vector[:, :count]
    return _lanczos(laplacian, count)


def _lanczos(laplacian: csr_array, count: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.sparse.linalg import LinearOperator, eigsh, splu

    n = laplacian.shape[0]
    shift = 1 / n
    shifted = csc_array(laplacian + shift * eye_array(n))
    # Positive definite: pivots stay on the diagonal, so that the order that keeps the factor sparse is kept.
    factor = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    inverse = LinearOperator((n, n), matvec=factor.solve, dtype=np.float64)
    # A fixed start makes the result the same every time; it is not an eigenvector of anything.
    start = np.random.default_rng(0).random(n) + 0.5
    width = min(n - 1, max(LANCZOS_VECTORS, 2 * count + 14))
    value, vector = eigsh(laplacian, k=count, sigma=-shift, OPinv=inverse, v0=start, ncv=width, tol=1e-9)
    order = np.argsort(value)
    return value[order], vector[:, order]

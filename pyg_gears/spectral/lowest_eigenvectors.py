"""The smoothest functions of a graph: eigenvectors of the lowest eigenvalues of a sparse Laplacian."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csc_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.spectral.block_eigenvectors import block_eigenvectors
from pyg_gears.spectral.fixed_basis import fixed_basis

DENSE = 600
"""Up to this number of nodes a dense solver is faster; above it nothing of n x n values is made."""

MISSED = 1e-9
"""An inverse eigenvalue larger than the last one by this share is one that was missed; one as large belongs to the same space."""

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


def lowest_eigenvectors(laplacian: csr_array, k: int, device: torch.device | str = "cpu") -> SpectralBasis:
    r"""The k eigenvectors of the lowest eigenvalues, by Lanczos iteration on the shifted inverse.

    .. math:: (L + \tfrac1n I)^{-1} v = \frac{1}{\lambda + 1/n} v

    The shift is of the size of the eigenvalues that are sought, which go with 1/n in the plane. A sparse factor
    of L + I/n in minimum-degree order is computed once; a few dozen solves follow.

    Args:
        laplacian: Sparse, symmetric, positive semi-definite, shape (n, n): :func:`affinity_laplacian`.
        k: Number of eigenvectors, 1 to n - 1.
        device: "cpu", or a GPU, which has no sparse factor and iterates with products alone
            (:func:`~pyg_gears.spectral.block_eigenvectors.block_eigenvectors`); graphs of up to 600 nodes stay on the CPU.

    Returns:
        The basis on the CPU, float64, the same every time on the same device.

    Raises:
        InputError: for k outside 1 .. n - 1, a Laplacian with NaN or infinity, or an iteration on a GPU that does not converge.

    Memory and time: k = 12 on a picture of 512 x 512 takes 9 CPU seconds and 510 MB; n log n memory, about n time.
    A factor of a graph that is no sheet (kNN in many dimensions) fills far more.

    Source: ARPACK by way of ``scipy.sparse.linalg.eigsh``, and SuperLU. LOBPCG with an algebraic multigrid
        preconditioner took three times as long on the same picture for residuals of 1e-8, too few digits where
        eigenvalues lie 1e-6 apart; Lanczos without the inverse does not converge in reasonable time.
    """
    n = laplacian.shape[0]
    expect(
        1 <= k < n, f"expected 1 to {n - 1} eigenvectors of {n} nodes, found k={k}; ask for fewer or pass more nodes."
    )
    check_finite(laplacian=laplacian.data)
    value, vector = _by_component(laplacian, k + 1, torch.device(device))
    gap = float(value[k] - value[k - 1])
    values = torch.from_numpy(value[:k].clip(min=0.0))
    return SpectralBasis(values, fixed_basis(values, torch.from_numpy(vector[:, :k].copy())), max(gap, 0.0))


def _by_component(laplacian: csr_array, count: int, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    """The lowest pairs of every connected component, merged.

    Of the zeros of many components, Lanczos iteration on the whole graph misses some.
    """
    n = laplacian.shape[0]
    parts, label = connected_components(laplacian, directed=False)
    if parts == 1:
        return _connected(laplacian, count, device)
    # More components than are asked for have a zero each: the largest ones are as good as any.
    largest = np.argsort(-np.bincount(label), kind="stable")[:count]
    found = []
    for part in largest:
        nodes = np.flatnonzero(label == part)
        found.append((nodes, *_connected(laplacian[nodes][:, nodes], min(count, len(nodes)), device)))
    value = np.concatenate([v for _, v, _ in found])
    chosen = np.argsort(value, kind="stable")[:count]
    vector, first = np.zeros((n, count)), 0
    for nodes, v, u in found:
        for column in np.flatnonzero((chosen >= first) & (chosen < first + len(v))):
            vector[nodes, column] = u[:, chosen[column] - first]
        first += len(v)
    return value[chosen], vector


def _connected(laplacian: csr_array, count: int, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
    if laplacian.shape[0] <= DENSE or 8 * count > laplacian.shape[0]:
        value, vector = np.linalg.eigh(laplacian.toarray())
        return value[:count], vector[:, :count]
    if device.type == "cpu":
        return _lanczos(laplacian, count)
    values, vectors = block_eigenvectors(csr_array(laplacian), count, device)
    return values.numpy(), vectors.numpy()


def _lanczos(laplacian: csr_array, count: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.sparse.linalg import splu

    n = laplacian.shape[0]
    shift = 1 / n
    shifted = csc_array(laplacian + shift * eye_array(n))
    # Positive definite: pivots stay on the diagonal, so that the order that keeps the factor sparse is kept.
    factor = splu(shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    inverse, vector = _largest(factor.solve, np.empty((n, 0)), count)
    # From one start the iteration sees one vector of a multiple eigenvalue, and rounding adds some others: it is repeated beside
    # what is known until nothing as low is left. The value is known to the square of the tolerance.
    while _largest(factor.solve, vector, 1, tolerance=1e-5)[0][0] > (1 + MISSED) * inverse[-1]:
        more, beside = _largest(factor.solve, vector, 1)
        inverse, vector = np.append(inverse, more), np.column_stack([vector, beside])
        order = np.argsort(-inverse, kind="stable")[:count]
        inverse, vector = inverse[order], vector[:, order]
    return 1 / inverse - shift, vector


def _largest(
    solve: Callable[[np.ndarray], np.ndarray], known: np.ndarray, count: int, tolerance: float = 1e-9
) -> tuple[np.ndarray, np.ndarray]:
    """The largest eigenvalues of an inverse, in descending order, and their vectors, all orthogonal to the known ones."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    n = len(known)

    def apart(x: np.ndarray) -> np.ndarray:
        return x - known @ (known.T @ x)

    operator = LinearOperator((n, n), matvec=lambda x: apart(solve(apart(x.reshape(-1)))), dtype=np.float64)
    # A fixed start makes the result the same every time; it is not an eigenvector of anything.
    start = apart(np.random.default_rng(known.shape[1]).random(n) + 0.5)
    width = min(n - 1, max(LANCZOS_VECTORS, 2 * count + 14) if count > 1 else 20)
    value, vector = eigsh(operator, k=count, which="LA", v0=start, ncv=width, tol=tolerance)
    order = np.argsort(-value, kind="stable")
    return value[order], apart(vector[:, order])

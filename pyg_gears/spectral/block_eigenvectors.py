"""Lowest eigenvectors on a device that has no sparse factor: LOBPCG, products with the matrix alone."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from torch import Tensor

from pyg_gears.errors import expect

GUARD = 4
"""Vectors beside those that are asked for: the last ones of a block converge slowly."""

ROUNDS = 20_000
"""About 20 rounds per pixel of a picture's side are needed."""

TOLERANCE = 1e-9
ACCEPTED = 1e-6
"""The largest entry of L v - lambda v with which a result is returned."""


def block_eigenvectors(
    laplacian: csr_array, count: int, device: torch.device, rounds: int = ROUNDS
) -> tuple[Float[Tensor, " k"], Float[Tensor, "n k"]]:
    """The lowest eigenpairs of one connected graph by LOBPCG without a preconditioner.

    A block holds as many vectors as are sought, so that multiple eigenvalues are found whole.

    Args:
        laplacian: Sparse, symmetric, shape (n, n), n at least three times ``count + 4``.
        count: Number of pairs.
        device: Where products are taken, in float64.
        rounds: Iterations at most.

    Returns:
        Values in ascending order (k,) and vectors (n, k), on the CPU.

    Raises:
        InputError: when the iteration has not converged.

    Source: Knyazev, Toward the optimal preconditioned eigensolver, 2001, as ``torch.lobpcg`` (its orthogonal form, after
        Stathopoulos and Duersch).
    """
    # Named, as torch's default device may be another, and a generator draws on its own alone.
    start = torch.randn(
        laplacian.shape[0],
        count + GUARD,
        dtype=torch.float64,
        generator=torch.Generator("cpu").manual_seed(0),
        device="cpu",
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        # Of products inside torch.lobpcg, in torch 2.11; the matrix itself is checked.
        warnings.filterwarnings("ignore", message="Sparse invariant checks are implicitly disabled")
        matrix = torch.sparse_csr_tensor(
            torch.from_numpy(laplacian.indptr).long(),
            torch.from_numpy(laplacian.indices).long(),
            torch.from_numpy(laplacian.data),
            laplacian.shape,
            device=device,
            check_invariants=True,
        )
        value, vector = torch.lobpcg(
            matrix, X=start.to(device), largest=False, niter=rounds, tol=TOLERANCE, method="ortho"
        )
    value, order = value.sort()
    value, vector = value[:count].cpu(), vector[:, order[:count]].cpu()
    residual = float(np.abs(laplacian @ vector.numpy() - vector.numpy() * value.numpy()).max())
    expect(
        residual <= ACCEPTED,
        f"expected eigenvectors to {ACCEPTED:g} after {rounds} rounds of LOBPCG, found a residual of {residual:.1g}; compute "
        "them on the CPU.",
    )
    return value, vector

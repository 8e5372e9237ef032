"""Leading eigenvectors of symmetric matrices of which only products with thin matrices are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.linalg import eigh, qr

from pyg_gears.typing import FloatArray

EXTRA = 8
FIRST_LOOK = 6
TOLERANCE = 3e-3
ROUNDING = 1e-6


def leading_eigenvectors(
    multiply: Callable[[Sequence[FloatArray]], Sequence[FloatArray]], matrices: int, size: int, count: int
) -> list[FloatArray]:
    r"""The eigenvectors of the largest eigenvalues of several symmetric matrices A, by block Lanczos side by side.

    From a random block Q of ``count`` + 8 columns, each Krylov space :math:`[Q, AQ, A^2Q, \dots]` grows by a block at a time,
    kept orthogonal to all of itself, until the residual of each wanted Ritz pair is at most
    :math:`\max(3 \cdot 10^{-3} |\lambda_i|, 10^{-6} |\lambda_1|)`, or the space is invariant. The products of a round are asked
    for together, so that matrices which share their data are multiplied in one pass over it.

    Args:
        multiply: The products of the matrices with as many blocks, shape (g, b) each; b may differ, and be 0. float32 is precise
            enough.
        matrices: How many there are.
        size: g, their rows and columns.
        count: Eigenvectors of each, 1 to g.

    Returns:
        For each matrix orthonormal columns, the largest eigenvalue first, shape (g, count). Same input, same columns.

    Source: Golub and Underwood, The block Lanczos method for computing eigenvalues, 1977; that a few blocks do: Musco and Musco,
    Randomized block Krylov methods for stronger and faster approximate singular value decomposition, 2015.
    """
    # A seed of its own: same input, same columns.
    start = np.random.default_rng(0).standard_normal((size, min(size, count + EXTRA)))
    spaces = [_KrylovSpace(np.linalg.qr(start)[0], count) for _ in range(matrices)]
    while any(space.block.shape[1] for space in spaces):
        for space, image in zip(spaces, multiply([space.block for space in spaces]), strict=True):
            if space.block.shape[1]:
                space.grow(image)
    return [space.leading for space in spaces]


class _KrylovSpace:
    """The space of one matrix.

    Attributes:
        block: The block whose image is asked for next, shape (g, b); without columns at the end.
        leading: The wanted Ritz vectors, once there is no further block.
    """

    def __init__(self, start: FloatArray, count: int) -> None:
        self.block, self.leading, self._count = start, start[:, :count], count
        self._blocks: list[FloatArray] = []
        self._inner = np.empty((0, 0))

    def grow(self, image: FloatArray) -> None:
        """Take up the block with its image, and find the next one."""
        self._blocks.append(self.block)
        # An image has no part in blocks before the last two but rounding.
        near = np.hstack(self._blocks[-2:])
        inner = near.T @ image
        size, width = len(self._inner) + self.block.shape[1], image.shape[1]
        self._inner = np.pad(self._inner, (0, width))
        self._inner[size - len(inner) :, size - width :] = inner
        self._inner[size - width :, size - len(inner) :] = inner.T
        basis = np.hstack(self._blocks)
        self.block, rest = _beyond(basis, image - near @ inner, np.linalg.norm(image, axis=0).max())
        invariant = self.block.shape[1] == 0
        if invariant or len(self._blocks) >= FIRST_LOOK:
            value, vector = eigh(self._inner, subset_by_index=[size - self._count, size - 1])
            residual = np.linalg.norm(rest @ vector[size - width :], axis=0)
            allowed = np.maximum(TOLERANCE * np.abs(value), ROUNDING * np.abs(value).max())
            if invariant or (residual <= allowed).all():
                self.leading, self.block = basis @ vector[:, ::-1], self.block[:, :0]


def _beyond(basis: FloatArray, image: FloatArray, scale: float) -> tuple[FloatArray, FloatArray]:
    """Orthonormal columns for what an image adds to the basis (none where that is rounding), and their parts of the image."""
    block, triangle, order = qr(image, mode="economic", pivoting=True)
    kept = min(int((np.abs(np.diag(triangle)) > ROUNDING * scale).sum()), basis.shape[0] - basis.shape[1])
    rest = np.empty((kept, image.shape[1]))
    rest[:, order] = triangle[:kept]
    block = block[:, :kept]
    return np.linalg.qr(block - basis @ (basis.T @ block))[0], rest

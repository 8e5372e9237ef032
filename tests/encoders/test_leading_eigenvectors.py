from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pyg_gears.encoders.leading_eigenvectors import leading_eigenvectors
from pyg_gears.typing import FloatArray


def symmetric(values: FloatArray, seed: int) -> FloatArray:
    """A symmetric matrix with these eigenvalues."""
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values),) * 2))[0]
    return (turn * values) @ turn.T


def found(matrices: Sequence[FloatArray], count: int) -> tuple[list[FloatArray], int]:
    rounds = 0

    def multiply(blocks: Sequence[FloatArray]) -> list[FloatArray]:
        nonlocal rounds
        rounds += 1
        return [a @ block for a, block in zip(matrices, blocks, strict=True)]

    return leading_eigenvectors(multiply, len(matrices), len(matrices[0]), count), rounds


def test_several_matrices_give_their_own_leading_eigenvectors() -> None:
    steep, flat = 0.7 ** np.arange(200), 1 / np.sqrt(np.arange(1, 201))
    matrices = [
        symmetric(values * np.where(np.arange(200) % 2, 1, sign), seed)
        for seed, (values, sign) in enumerate([(steep, 1), (flat, 1), (flat, -1)])
    ]
    vectors, rounds = found(matrices, 10)
    assert rounds < 200 / 18  # not the whole space
    for matrix, own in zip(matrices, vectors, strict=True):
        expected = np.linalg.eigh(matrix)[1][:, ::-1][:, :10]
        np.testing.assert_allclose(own.T @ own, np.eye(10), atol=1e-12)
        np.testing.assert_allclose(np.abs((own * expected).sum(axis=0)), 1, atol=1e-3)
    again, _ = found(matrices, 10)
    for own, same in zip(vectors, again, strict=True):
        np.testing.assert_array_equal(own, same)


@pytest.mark.parametrize("count", [1, 3, 12])
@pytest.mark.parametrize("rank", [0, 2, 12])
def test_small_and_singular_matrices_are_solved_to_the_end(count: int, rank: int) -> None:
    matrix = symmetric(np.concatenate([np.arange(rank, 0, -1.0), np.zeros(12 - rank)]), 0)
    (own,), _ = found([matrix], count)
    assert own.shape == (12, count)
    np.testing.assert_allclose(own.T @ own, np.eye(count), atol=1e-10)
    values = np.linalg.eigvalsh(matrix)[::-1][:count]
    np.testing.assert_allclose(np.diag(own.T @ matrix @ own), values, atol=1e-9)


def test_equal_eigenvalues_are_found_together() -> None:
    matrix = symmetric(np.concatenate([np.full(6, 5.0), np.full(94, 1.0)]), 1)
    (own,), rounds = found([matrix], 6)
    np.testing.assert_allclose(matrix @ own, 5 * own, atol=1e-9)
    assert rounds == 2  # the space is invariant


def test_products_in_single_precision_are_enough() -> None:
    matrix = symmetric(1 / np.arange(1, 301.0), 2)
    expected = np.linalg.eigh(matrix)[1][:, ::-1][:, :8]
    rough = matrix.astype(np.float32)
    (own,) = leading_eigenvectors(lambda blocks: [rough @ b.astype(np.float32) for b in blocks], 1, 300, 8)
    np.testing.assert_allclose(np.abs((own * expected).sum(axis=0)), 1, atol=1e-4)

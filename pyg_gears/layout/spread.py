"""Raw uncertainty of a cell: how far its voters disagree, and how far the layout scatters the cells that resemble it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from pyg_gears.layout.votes import TINY, VotesOutput


def cell_spread(disagreement: Float[np.ndarray, " n"], scatter: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    r"""Geometric mean of disagreement and scatter, :math:`\sqrt{u_i v_i}`, shape (n,).

    Neither is enough alone: voters may agree on a place that nothing supports, and a cell among its like may still be voted to
    and fro. On held-out sections the product followed the local error more evenly than either.
    """
    return np.sqrt(disagreement * scatter)


def neighbor_scatter(pos: Float[np.ndarray, "n 2"], index: Int[np.ndarray, "n k"]) -> Float[np.ndarray, " n"]:
    """Median distance in the layout from a cell to its nearest neighbours in the embedding, in root mean square radii.

    Args:
        pos: Layout, shape (n, 2).
        index: Neighbours in the embedding, shape (n, k).

    Returns:
        Shape (n,); about 1.2 where the layout has nothing to do with the embedding, 0 for a layout without extent.
    """
    radius = float(np.sqrt(((pos - pos.mean(axis=0)) ** 2).sum(axis=1).mean()))
    gap = pos[:, None] - pos[index]
    scatter: Float[np.ndarray, " n"] = np.median(np.hypot(gap[..., 0], gap[..., 1]), axis=1)
    return scatter / radius if radius > TINY else np.zeros(len(pos))


def voter_disagreement(
    pos: Float[np.ndarray, "v n 2"], layout: Float[np.ndarray, "n 2"], chunk: int = 256
) -> Float[np.ndarray, " n"]:
    """Mean of |d - D| / (d + D) over voters and other cells: d the voter's distance, D that of the layout.

    Args:
        pos: Predictions of all cells in the unit of the layout, shape (voters, n, 2).
        layout: The layout, shape (n, 2).
        chunk: Rows at a time.

    Returns:
        Shape (n,), in [0, 1).
    """
    n = len(layout)
    total = np.zeros(n)
    for first in range(0, n, chunk):
        rows = slice(first, first + chunk)
        target = np.hypot(*(layout[rows, None] - layout[None]).transpose(2, 0, 1))
        for one in pos.astype(np.float64):
            distance = np.hypot(*(one[rows, None] - one[None]).transpose(2, 0, 1))
            total[rows] += (np.abs(distance - target) / np.maximum(distance + target, TINY)).sum(axis=1)
    return total / (len(pos) * max(n - 1, 1))


def vote_disagreement(
    n: int, votes: VotesOutput, scale: Float[np.ndarray, " p"], layout: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, " n"]:
    """Mean of |d - D| / (d + D) over the votes d on a cell's pairs, D from the layout.

    Args:
        n: Cells.
        votes: The votes.
        scale: Log-scale of every patch, in the unit of the layout.
        layout: The layout, shape (n, 2).

    Returns:
        Shape (n,), in [0, 1).
    """
    i, j = votes.pairs
    length = np.log(np.maximum(np.hypot(*(layout[i] - layout[j]).T), 1e-12))
    total = np.zeros(votes.pairs.shape[1])
    for one in votes.log_distance:
        # |d - D| / (d + D) = tanh(|log d - log D| / 2), which is safe against zero.
        bounded = np.tanh(np.abs(one + scale[votes.patch] - length[votes.pair]) / 2)
        total += np.bincount(votes.pair, bounded, len(total))
    count = np.bincount(votes.pair, minlength=len(total)) * len(votes.log_distance)
    over = np.bincount(i, total, n) + np.bincount(j, total, n)
    return over / np.maximum(np.bincount(i, count, n) + np.bincount(j, count, n), 1)

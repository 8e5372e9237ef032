"""Agreement of neighbourhoods: trustworthiness, continuity, recall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from pyg_gears.metrics.layout_pair import LayoutLike, layout_pair, neighborhood_size
from pyg_gears.seeds import check_seed

TRUST_NEIGHBORS = 20
RECALL_NEIGHBORS = 15
MAX_FULL = 5000
QUERY_ROWS = 2000
CHUNK_VALUES = 2_000_000
TIE = 1e-9


class NeighborhoodAgreement(NamedTuple):
    """Trustworthiness and continuity (chance 0.5) and recall (chance k / n), all in [0, 1], better when larger."""

    trust: float
    cont: float
    recall: float


def neighborhood_agreement(pos: LayoutLike, truth: LayoutLike, *, seed: int = 0) -> NeighborhoodAgreement:
    r"""Compare the neighbours of every cell in both layouts.

    .. math:: \mathrm{Trust@}k = 1 - \frac{2}{n k (2n - 3k - 1)} \sum_i \sum_{j \in U_i} (r^*_{ij} - k)

    with U_i the predicted k neighbours of i that are not among its true ones and r* the rank of j by true distance.
    Continuity exchanges the layouts: it counts true neighbours that the prediction moved away. k = 20 for both; recall
    is the share of the 15 true neighbours found among the 15 predicted ones. k is kept below n / 2.

    Equal distances (spots on a lattice, cells piled on one point) are ranked by one order of the cells, drawn by the
    seed and the same in both layouts, so that neither the order of the file nor a pile is rewarded.
    Without ties the result is that of ``sklearn.manifold.trustworthiness``, which leaves ties to its sort and holds
    three n x n matrices.

    Args:
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).
        seed: Seed of that order and, beyond 5000 cells, of the 2000 cells whose neighbourhoods are compared (against
            all n cells). Working memory stays near 100 MB up to 100,000 cells.

    Returns:
        The three scores.

    Source: Venna and Kaski, Neighborhood preservation in nonlinear projection methods, 2001.
    """
    check_seed(seed)
    pair = layout_pair(pos, truth)
    n = len(pair.truth)
    order = np.random.default_rng(seed).permutation(n)
    predicted, true = pair.pos[order], pair.truth[order]
    rows = np.arange(n if n <= MAX_FULL else QUERY_ROWS)  # the order is random, so the first rows are a random draw
    k, k_recall = neighborhood_size(n, TRUST_NEIGHBORS), neighborhood_size(n, RECALL_NEIGHBORS)
    torn = found = false = 0
    for chunk in np.array_split(rows, max(1, rows.size * n // CHUNK_VALUES)):
        by_truth, by_pos = _distance_keys(true, chunk), _distance_keys(predicted, chunk)
        sorted_truth, sorted_pos = np.sort(by_truth, axis=1), np.sort(by_pos, axis=1)
        near_truth, near_pos = sorted_truth[:, :k] % n, sorted_pos[:, :k] % n
        false += int(np.maximum(_ranks(by_truth, sorted_truth, near_pos) - k, 0).sum())
        torn += int(np.maximum(_ranks(by_pos, sorted_pos, near_truth) - k, 0).sum())
        for a, b in zip(sorted_truth[:, :k_recall] % n, sorted_pos[:, :k_recall] % n, strict=True):
            found += np.intersect1d(a, b, assume_unique=True).size
    norm = 2.0 / (rows.size * k * (2 * n - 3 * k - 1))
    return NeighborhoodAgreement(1 - norm * false, 1 - norm * torn, found / (rows.size * k_recall))


def _distance_keys(pos: Float[np.ndarray, "n 2"], rows: Int[np.ndarray, " r"]) -> Int[np.ndarray, "r n"]:
    """Integers that sort the cells by distance from each row's cell, ties by position; the cell itself comes last."""
    n = len(pos)
    square = np.square(pos[rows, None, 0] - pos[None, :, 0]) + np.square(pos[rows, None, 1] - pos[None, :, 1])
    key = np.rint(np.sqrt(square) / TIE).astype(np.int64) * n + np.arange(n)
    key[np.arange(rows.size), rows] = np.iinfo(np.int64).max // n * n - n + rows
    return key


def _ranks(
    key: Int[np.ndarray, "r n"], sorted_key: Int[np.ndarray, "r n"], neighbor: Int[np.ndarray, "r k"]
) -> Int[np.ndarray, "r k"]:
    """Rank (from 1) of each listed neighbour in its row."""
    wanted = np.take_along_axis(key, neighbor, axis=1)
    rank = [np.searchsorted(row, value) + 1 for row, value in zip(sorted_key, wanted, strict=True)]
    return np.stack(rank)

"""Votes: the distance that every patch gives to every pair of cells that some patch proposed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from pyg_gears.layout.pair_certainty import PairCertainty
from pyg_gears.layout.patches import PatchesOutput
from pyg_gears.seeds import child_seed

TINY = 1e-6


@dataclass(frozen=True)
class VotesOutput:
    """Measured pairs of cells and the votes on them, sorted by pair."""

    pairs: Int[np.ndarray, "2 p"]
    """Pairs (i < j), shape (2, p), without repeats, in ascending order."""
    pair: Int[np.ndarray, " t"]
    """Pair of each vote, ascending, shape (t,)."""
    patch: Int[np.ndarray, " t"]
    """Patch that votes, shape (t,)."""
    log_distance: Float[np.ndarray, " t"]
    """Logarithm of the voters' mean distance in the patch's own gauge, float32, shape (t,)."""
    weight: Float[np.ndarray, " t"]
    """What each vote counts by the models' own word, beside the weight of its patch, above 0, shape (t,); 1 without."""


def collect_votes(
    patches: PatchesOutput,
    pos: Float[np.ndarray, "v total 2"],
    neighbors: int = 12,
    landmarks: int = 8,
    seed: int = 0,
    weights: Float[np.ndarray, " v"] | None = None,
    certainty: PairCertainty | None = None,
) -> VotesOutput:
    """Measure distances within the patches.

    The vote of a patch on a pair is the weighted mean of its voters' distances. A patch *proposes* the pairs of its own kNN graph
    and, for the longer ones, ``landmarks`` random partners per cell. Then every patch that holds both cells of a proposed pair
    votes on it: with votes on a patch's own proposals alone, a pair that is close in one patch and far in another would be
    measured only where it is close.

    Args:
        patches: The patches.
        pos: Their coordinates, each patch in its own gauge, shape (voters, total, 2).
        neighbors: Nearest neighbours of a cell in its patch.
        landmarks: Longer distances per cell and patch (rounded up to an even number).
        seed: Chooses the longer ones.
        weights: Weights of the voters, shape (voters,), with sum 1; equal ones if omitted.
        certainty: How sure the models are of the distances: a vote weighs :math:`e^{-s}`, relative to the median pair.

    Returns:
        The votes. Memory grows linearly in cells and cover.
    """
    n = patches.n
    weights = equal_weights(len(pos)) if weights is None else weights
    keys = [np.zeros(0, dtype=np.int64)]
    for patch in range(len(patches)):
        cells = patches[patch].astype(np.int64)
        own = pos[:, patches.ptr[patch] : patches.ptr[patch + 1]]
        a, b = propose_pairs(
            own, weights, neighbors, landmarks, np.random.default_rng(child_seed(seed, "pairs", patch))
        )
        keys.append(np.unique(np.minimum(cells[a], cells[b]) * n + np.maximum(cells[a], cells[b])))
    key = np.unique(np.concatenate(keys))
    pairs = np.stack([key // n, key % n])
    graph = csr_array((np.arange(len(key)), pairs[1], np.searchsorted(pairs[0], np.arange(n + 1))), shape=(n, n))

    found, voters, values, sure = [], [], [], []
    own_weight = None if certainty is None else certainty.weights()
    start = np.zeros(len(patches) + 1, dtype=np.int64)
    if certainty is not None:
        start[1:] = np.cumsum(certainty.size)
    place = np.full(n, -1, dtype=np.int64)
    for patch in range(len(patches)):
        cells = patches[patch]
        place[cells] = np.arange(len(cells))
        pair, a, b = _pairs_inside(graph, cells, place)
        place[cells] = -1
        found.append(pair)
        voters.append(np.full(len(pair), patch, dtype=np.int64))
        length = mean_lengths(pos[:, patches.ptr[patch] : patches.ptr[patch + 1]], weights, a, b)
        values.append(np.log(np.maximum(length, TINY)).astype(np.float32))
        vote = np.ones(len(pair))
        if certainty is not None and own_weight is not None and start[patch] < start[patch + 1]:
            known = certainty.pair[start[patch] : start[patch + 1]]
            key = np.minimum(a, b) * len(cells) + np.maximum(a, b)
            at = np.minimum(np.searchsorted(known, key), len(known) - 1)
            vote = np.where(known[at] == key, own_weight[start[patch] + at], 1.0)
        sure.append(vote)
    pair, voter = np.concatenate(found), np.concatenate(voters)
    order = np.argsort(pair, kind="stable")
    return VotesOutput(pairs, pair[order], voter[order], np.concatenate(values)[order], np.concatenate(sure)[order])


def pair_lengths(
    pos: Float[np.ndarray, "v m 2"], a: Int[np.ndarray, ...], b: Int[np.ndarray, ...]
) -> Float[np.ndarray, "v ..."]:
    """Distances that the voters give to pairs of cells: all that voting reads of a prediction.

    Args:
        pos: Coordinates of one patch, shape (voters, m, 2).
        a: First cells, any shape.
        b: Second cells, of a shape that broadcasts with it.

    Returns:
        Shape (voters, ...), in the patch's own unit.
    """
    gap = pos[:, a] - pos[:, b]
    return np.hypot(gap[..., 0], gap[..., 1])


def mean_lengths(
    pos: Float[np.ndarray, "v m 2"], weights: Float[np.ndarray, " v"], a: Int[np.ndarray, ...], b: Int[np.ndarray, ...]
) -> Float[np.ndarray, ...]:
    """Weighted mean over the voters of :func:`pair_lengths`, one voter at a time."""
    total = weights[0] * pair_lengths(pos[:1], a, b)[0]
    for voter in range(1, len(pos)):
        total += weights[voter] * pair_lengths(pos[voter : voter + 1], a, b)[0]
    return total


def equal_weights(voters: int) -> Float[np.ndarray, " v"]:
    """Weights with sum 1, all the same."""
    return np.full(voters, 1.0 / voters)


def propose_pairs(
    pos: Float[np.ndarray, "v m 2"],
    weights: Float[np.ndarray, " v"],
    neighbors: int,
    landmarks: int,
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"]]:
    """Pairs of one patch: kNN, and successors on random rings (which give every cell the same number of partners)."""
    m = pos.shape[1]
    cells = np.arange(m)
    mean = mean_lengths(pos, weights, cells[:, None], cells[None])
    np.fill_diagonal(mean, np.inf)
    degree = min(neighbors, m - 1)
    near = np.argpartition(mean, degree - 1, axis=1)[:, :degree]
    a, b = [np.repeat(cells, degree)], [near.ravel()]
    for _ in range(-(-landmarks // 2) if m > 2 else 0):
        ring = rng.permutation(m)
        a.append(ring)
        b.append(np.roll(ring, 1))
    return np.concatenate(a), np.concatenate(b)


def _pairs_inside(
    graph: csr_array, cells: Int[np.ndarray, " m"], place: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"], Int[np.ndarray, " e"]]:
    """Proposed pairs with both cells in a patch: the pair and the two places in the patch."""
    start, stop = graph.indptr[cells].astype(np.int64), graph.indptr[cells + 1].astype(np.int64)
    count = stop - start
    row = np.repeat(np.arange(len(cells)), count)
    entry = np.arange(count.sum()) + np.repeat(start - np.cumsum(count) + count, count)
    other = place[graph.indices[entry]]
    inside = other >= 0
    return graph.data[entry[inside]].astype(np.int64), row[inside], other[inside]

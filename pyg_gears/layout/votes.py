"""Votes: the distance that every patch gives to every pair of cells that some patch proposed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pyg_gears.layout.memory import BLOCK
from pyg_gears.layout.pair_certainty import PairCertainty
from pyg_gears.layout.patches import PatchesOutput
from pyg_gears.seeds import child_seed

TINY = 1e-6
RANGES = 64
"""Ranges of cells at most whose pairs are made unique one after the other: each looks at all patches."""


@dataclass(frozen=True)
class VotesOutput:
    """Measured pairs of cells and the votes on them, sorted by pair: 16 bytes per pair and 8 per vote."""

    pairs: Int[np.ndarray, "2 p"]
    """Pairs (i < j), int32, shape (2, p), without repeats, in ascending order."""
    ptr: Int[np.ndarray, " p1"]
    """Where the votes on each pair begin, ascending, shape (p + 1,)."""
    patch: Int[np.ndarray, " t"]
    """Patch that votes, int32, shape (t,); ascending on each pair."""
    log_distance: Float[np.ndarray, " t"]
    """Logarithm of the voters' mean distance in the patch's own gauge, float32, shape (t,)."""
    weight: Float[np.ndarray, " t"] | None = None
    """What each vote counts by the models' own word, beside the weight of its patch, above 0, shape (t,); None for 1."""

    @property
    def pair(self) -> Int[np.ndarray, " t"]:
        """Pair of each vote, ascending, shape (t,)."""
        return np.repeat(np.arange(len(self.ptr) - 1), np.diff(self.ptr))

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[VotesOutput, slice]]:
        """Consecutive pairs with all their votes, at most ``size`` votes together (or one pair), and which votes these are."""
        first = 0
        while first < len(self.ptr) - 1:
            begin = self.ptr[first]
            last = max(int(np.searchsorted(self.ptr, begin + size, side="right")) - 1, first + 1)
            votes = slice(int(begin), int(self.ptr[last]))
            yield (
                VotesOutput(
                    self.pairs[:, first:last],
                    self.ptr[first : last + 1] - begin,
                    self.patch[votes],
                    self.log_distance[votes],
                    None if self.weight is None else self.weight[votes],
                ),
                votes,
            )
            first = last

    def among(self, chosen: Bool[np.ndarray, " patches"], least: int = 1) -> VotesOutput:
        """The votes of some patches on the pairs that at least so many of them voted on; patches keep their numbers."""
        mine = chosen[self.patch]
        count = np.add.reduceat(mine, self.ptr[:-1], dtype=np.int32) if len(mine) else np.zeros(0, dtype=np.int32)
        used = count >= least
        mine &= np.repeat(used, np.diff(self.ptr))
        return VotesOutput(
            self.pairs[:, used],
            starts(count[used]),
            self.patch[mine],
            self.log_distance[mine],
            None if self.weight is None else self.weight[mine],
        )


def starts(count: Int[np.ndarray, " p"]) -> Int[np.ndarray, " p1"]:
    """Where each of consecutive groups begins, and the end of the last, shape (p + 1,), int64."""
    ptr = np.zeros(len(count) + 1, dtype=np.int64)
    np.cumsum(count, out=ptr[1:])
    return ptr


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

    Votes are counted first and then written to their places, so that nothing is sorted and no second copy exists.

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
    weights = equal_weights(len(pos)) if weights is None else weights
    pairs = _proposed(patches, pos, neighbors, landmarks, seed, weights)
    begin = np.searchsorted(pairs[0], np.arange(patches.n + 1, dtype=np.int32))
    count = np.zeros(pairs.shape[1], dtype=np.int32)
    for _, pair, _, _ in _inside(patches, begin, pairs[1]):
        count[pair] += 1  # a patch holds a pair once
    ptr = starts(count)
    voter, value = np.empty(ptr[-1], dtype=np.int32), np.empty(ptr[-1], dtype=np.float32)
    sure = None if certainty is None else np.empty(ptr[-1])
    said = None if certainty is None else certainty.weights()
    where = None if certainty is None else starts(certainty.size)
    free = ptr[:-1].copy()
    for patch, pair, a, b in _inside(patches, begin, pairs[1]):
        at = free[pair]
        free[pair] += 1
        voter[at] = patch
        length = mean_lengths(pos[:, patches.ptr[patch] : patches.ptr[patch + 1]], weights, a, b)
        value[at] = np.log(np.maximum(length, TINY))
        if certainty is not None and sure is not None and said is not None and where is not None:
            own = slice(where[patch], where[patch + 1])
            sure[at] = _said_of(
                certainty.pair[own], said[own], np.minimum(a, b) * len(patches[patch]) + np.maximum(a, b)
            )
    return VotesOutput(pairs, ptr, voter, value, sure)


def _said_of(
    known: Int[np.ndarray, " q"], weight: Float[np.ndarray, " q"], wanted: Int[np.ndarray, " e"]
) -> Float[np.ndarray, " e"]:
    """Weights of the pairs wanted; 1 of those that are not known."""
    if not len(known):
        return np.ones(len(wanted))
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, weight[at], 1.0)


def _proposed(
    patches: PatchesOutput,
    pos: Float[np.ndarray, "v total 2"],
    neighbors: int,
    landmarks: int,
    seed: int,
    weights: Float[np.ndarray, " v"],
) -> Int[np.ndarray, "2 p"]:
    """Pairs (i < j) that some patch proposes, each once, in ascending order."""
    n = patches.n
    keys = []
    for patch in range(len(patches)):
        cells = patches[patch].astype(np.int64)
        own = pos[:, patches.ptr[patch] : patches.ptr[patch + 1]]
        a, b = propose_pairs(
            own, weights, neighbors, landmarks, np.random.default_rng(child_seed(seed, "pairs", patch))
        )
        keys.append(_unique(np.minimum(cells[a], cells[b]) * n + np.maximum(cells[a], cells[b])))
    # Range by range of the first cell: the whole would be sorted in several copies.
    ranges = min(1 + sum(map(len, keys)) // BLOCK, RANGES)
    bounds = np.linspace(0, n, ranges + 1).astype(np.int64) * n
    cuts = [np.searchsorted(key, bounds) for key in keys]
    found: list[list[np.ndarray]] = [[], []]
    for number in range(ranges):
        parts = [key[cut[number] : cut[number + 1]] for key, cut in zip(keys, cuts, strict=True)]
        key = _unique(np.concatenate(parts))
        found[0].append((key // n).astype(np.int32))
        found[1].append((key % n).astype(np.int32))
    del keys
    pairs = np.empty((2, sum(map(len, found[0]))), dtype=np.int32)
    for side in (0, 1):
        np.concatenate(found[side], out=pairs[side])
    return pairs


def _unique(key: Int[np.ndarray, " k"]) -> Int[np.ndarray, " u"]:
    """The keys, sorted in place, each once: several times as fast as the hash table of np.unique."""
    key.sort()
    return key[np.concatenate([[True], key[1:] != key[:-1]])] if len(key) else key


def pair_lengths(
    pos: Float[np.ndarray, "v m 2"], a: Int[np.ndarray, " ..."], b: Int[np.ndarray, " ..."]
) -> Float[np.ndarray, "v ..."]:
    """Distances that the voters give to pairs of cells: all that voting reads of a prediction.

    Args:
        pos: Coordinates of one patch, shape (voters, m, 2).
        a: First cells, any shape.
        b: Second cells, of a shape that broadcasts with it.

    Returns:
        Shape (voters, ...), in the patch's own unit.
    """
    # As complex numbers, which are gathered at once; np.hypot and np.abs guard against overflow, at several times the time.
    place = np.ascontiguousarray(pos).view(np.result_type(pos, np.complex64))[..., 0]
    gap = place.take(a, axis=1) - place.take(b, axis=1)
    return np.sqrt(gap.real**2 + gap.imag**2)


def mean_lengths(
    pos: Float[np.ndarray, "v m 2"],
    weights: Float[np.ndarray, " v"],
    a: Int[np.ndarray, " ..."],
    b: Int[np.ndarray, " ..."],
) -> Float[np.ndarray, " ..."]:
    """Weighted mean over the voters of :func:`pair_lengths`, one voter at a time."""
    total = weights[0] * pair_lengths(pos[:1], a, b)[0]
    for voter in range(1, len(pos)):
        total += weights[voter] * pair_lengths(pos[voter : voter + 1], a, b)[0]
    return total


def equal_weights(voters: int) -> Float[np.ndarray, " v"]:
    """Weights with sum 1, all the same: what every function of this room takes where ``weights`` is omitted."""
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


def _inside(
    patches: PatchesOutput, begin: Int[np.ndarray, " n1"], second: Int[np.ndarray, " p"]
) -> Iterator[tuple[int, Int[np.ndarray, " e"], Int[np.ndarray, " e"], Int[np.ndarray, " e"]]]:
    """Proposed pairs with both cells in a patch, patch by patch: the patch, the pairs and the places of either cell in it."""
    place = np.full(patches.n, -1, dtype=np.int32)
    for patch in range(len(patches)):
        cells = patches[patch]
        place[cells] = np.arange(len(cells), dtype=np.int32)
        count = begin[cells + 1] - begin[cells]
        row = np.repeat(np.arange(len(cells)), count)
        pair = np.arange(count.sum()) + np.repeat(begin[cells] - np.cumsum(count) + count, count)
        other = place[second[pair]]
        place[cells] = -1
        inside = other >= 0
        yield patch, pair[inside], row[inside], other[inside].astype(np.int64)

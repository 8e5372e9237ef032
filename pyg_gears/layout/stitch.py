"""Stitching: many votes on a pair become one distance with a confidence."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int

from pyg_gears.layout.connectivity import connect_pairs, pieces
from pyg_gears.layout.median import weighted_median
from pyg_gears.layout.memory import BLOCK
from pyg_gears.layout.settings import SpreadRule
from pyg_gears.layout.spread import relative_spread
from pyg_gears.layout.votes import VotesOutput

MIN_COMPARISONS = 10
"""Pairs that a patch must share with others of its kind before its disagreement counts (5 cells have 10 pairs)."""
MAX_LAG = 8
"""A vote is compared with at most this many others on its pair."""
SCALE_LIMIT = 4.0
"""The precision of a patch follows its scale at most this many times up or down from the median of its kind."""
KEEP = 6
"""Pairs that every cell keeps, however badly supported."""
RANGES = 64
"""Ranges of cells at most whose best pairs are looked for one after the other: each looks through all pairs."""


@dataclass(frozen=True)
class StitchOutput:
    """One distance per pair, with its support and dispersion."""

    pairs: Int[np.ndarray, "2 e"]
    """Kept pairs (i < j), shape (2, e)."""
    distance: Float[np.ndarray, " e"]
    """Weighted median of the votes, in the common unit."""
    support: Int[np.ndarray, " e"]
    """Patches that voted."""
    dispersion: Float[np.ndarray, " e"]
    """Weighted mean absolute deviation of the votes' log-distance; the median of its kind where only one vote was
    cast."""
    confidence: Float[np.ndarray, " e"]
    """(1 - 2^-support) exp(-dispersion / median dispersion), in (0, 1); by the published rule support exp(-10 spread^2)."""
    weight: Float[np.ndarray, " e"]
    """Inverse variance for the solve: confidence times the mean precision of the votes."""
    reliability: Float[np.ndarray, " p"]
    """a_p of every patch, in (0, 1]."""
    disagreement: float
    """Mean absolute difference of log-distances between overlapping patches of one kind."""
    dropped: int
    """Pairs left out for little support or a high dispersion."""


def vote_weights(
    votes: VotesOutput, scale: Float[np.ndarray, " p"], is_global: Bool[np.ndarray, " p"], block: int = BLOCK
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"], float]:
    r"""Reliability and precision of every patch.

    .. math:: a_p = \exp(-r_p / \mathrm{median}\, r), \quad r_p = \mathrm{mean} |\log d_p - \log d_q|

    over the votes that p shares with other patches q of its kind (local with local, global with global: the two differ in what
    they can resolve, whatever their reliability). The precision is :math:`\exp(-2 s_p)`: the error of a patch is
    proportional to its scale. Where the method counts overlaps of at least 5 cells, we count at least 10 shared pairs, pooled
    over all overlaps: at 20,000 cells two global patches share three cells, but each shares hundreds of pairs with all the
    others.

    Args:
        votes: The votes.
        scale: Log-scale of every patch.
        is_global: Kind of every patch.
        block: Votes worked on at a time; without influence beyond rounding.

    Returns:
        Reliability (patches,), precision (patches,), mean disagreement.
    """
    patches = len(scale)
    total, count = np.zeros(patches), np.zeros(patches)
    for own, _ in votes.blocks(block):
        pair, wide, value = own.pair, is_global[own.patch], own.log_distance + scale[own.patch]
        for kind in (False, True):
            mine = np.flatnonzero(wide == kind)
            for lag in range(1, MAX_LAG + 1):
                a, b = mine[:-lag], mine[lag:]
                same = pair[a] == pair[b]
                if not same.any():
                    break
                a, b = a[same], b[same]
                gap = np.abs(value[a] - value[b])
                for one in (a, b):
                    total += np.bincount(own.patch[one], gap, patches)
                    count += np.bincount(own.patch[one], minlength=patches)
    ratio = np.ones(patches)
    precision = np.ones(patches)
    known = count >= MIN_COMPARISONS
    for kind in (False, True):
        chosen = is_global == kind
        if (chosen & known).any():
            typical = float(np.median((total / np.maximum(count, 1))[chosen & known]))
            if typical > 0:
                ratio[chosen & known] = (total / np.maximum(count, 1))[chosen & known] / typical
        if chosen.any():
            middle = np.median(scale[chosen])
            limit = np.log(SCALE_LIMIT)
            precision[chosen] = np.exp(-2 * (middle + np.clip(scale[chosen] - middle, -limit, limit)))
    disagreement = float(total.sum() / count.sum()) if count.sum() else 0.0
    return np.exp(-ratio), precision, disagreement


def stitch_votes(
    n: int,
    votes: VotesOutput,
    scale: Float[np.ndarray, " p"],
    is_global: Bool[np.ndarray, " p"],
    min_support: int = 2,
    max_dispersion: float = 3.0,
    spread: SpreadRule | None = None,
    block: int = BLOCK,
) -> StitchOutput:
    """Reconcile the votes: weighted median, support and dispersion per pair, and a graph of the pairs to trust.

    Dropped are pairs whose dispersion exceeds ``max_dispersion`` times the median, and pairs of local patches that fewer than
    ``min_support`` patches voted on. Exempt from the second rule are pairs that only global patches hold (two of them rarely
    hold the same pair). Every cell keeps its 6 best pairs, and parts that the kept pairs leave apart are joined again.

    Args:
        n: Cells.
        votes: The votes.
        scale: Log-scale of every patch.
        is_global: Kind of every patch.
        min_support: Patches that must have voted on a local pair.
        max_dispersion: Limit of the dispersion in units of its median.
        spread: The published rule instead: pairs up to its limit are kept, and both confidence (with the number of votes as its
            factor) and weight in the solve are its own.
        block: Votes worked on at a time; without influence beyond rounding.

    Returns:
        The stitched graph.
    """
    reliability, precision, disagreement = vote_weights(votes, scale, is_global, block)
    patch_weight = reliability * precision
    patch_weight /= patch_weight.max()
    size = votes.pairs.shape[1]
    support = np.diff(votes.ptr).astype(np.int32)
    # Per pair, one after the other: further copies would decide about the memory of a whole layout.
    middle, total, dispersion = np.empty(size), np.empty(size), np.empty(size)
    width = None if spread is None else np.empty(size)
    only_global = np.empty(size, dtype=bool)
    done = 0
    for own, _ in votes.blocks(block):
        group, count = own.pair, len(own.ptr) - 1
        here = slice(done, done + count)
        weight = patch_weight[own.patch] if own.weight is None else patch_weight[own.patch] * own.weight
        value = own.log_distance + scale[own.patch]
        middle[here] = weighted_median(value, weight, group, count)
        total[here] = np.bincount(group, weight, count)
        dispersion[here] = np.bincount(group, weight * np.abs(value - middle[here][group]), count) / total[here]
        only_global[here] = np.bincount(group, ~is_global[own.patch], count) == 0
        if width is not None:
            width[here] = relative_spread(np.exp(value), group, count)
        done += count
    _fill_in(dispersion, support, only_global)
    typical = float(np.median(dispersion))
    keep, confidence = np.empty(size, dtype=bool), np.empty(size)
    for here in pieces(size, block):
        relative = dispersion[here] / typical if typical > 0 else np.zeros(len(dispersion[here]))
        confidence[here] = (1 - 0.5 ** support[here]) * np.exp(-np.minimum(relative, 30.0))
        keep[here] = relative <= max_dispersion
        total[here] = confidence[here] * total[here] / support[here]  # from here on the pull
        if spread is not None and width is not None:
            keep[here] = width[here] <= spread.limit
            confidence[here] = support[here] * np.exp(-spread.sharpness * width[here] ** 2)
            total[here] = confidence[here]
    keep &= (support >= min_support) | only_global
    keep |= _best_of_each_cell(n, votes.pairs, confidence, block)
    keep = connect_pairs(n, votes.pairs, keep, confidence)
    # One after the other, each in the place of what it is taken from.
    middle = np.exp(middle[keep])
    total = total[keep]
    dispersion = dispersion[keep]
    confidence = confidence[keep]
    return StitchOutput(
        pairs=votes.pairs[:, keep],
        distance=middle,
        support=support[keep],
        dispersion=dispersion,
        confidence=confidence,
        weight=total,
        reliability=reliability,
        disagreement=disagreement,
        dropped=int((~keep).sum()),
    )


def _fill_in(
    dispersion: Float[np.ndarray, " p"], support: Int[np.ndarray, " p"], only_global: Bool[np.ndarray, " p"]
) -> None:
    """Where one vote was cast: the median of those of its kind that have several."""
    for kind in (True, False):
        mine = only_global == kind
        known = mine & (support > 1)
        dispersion[mine & (support == 1)] = np.median(dispersion[known]) if known.any() else 0.0


def _best_of_each_cell(
    n: int, pairs: Int[np.ndarray, "2 e"], confidence: Float[np.ndarray, " e"], block: int
) -> Bool[np.ndarray, " e"]:
    """Pairs that are among the ``KEEP`` most confident of either end, from some cells at a time."""
    keep = np.zeros(pairs.shape[1], dtype=bool)
    ranges = min(1 + 2 * pairs.shape[1] // block, RANGES)
    bounds = np.linspace(0, n, ranges + 1).astype(np.int64)
    for low, high in pairwise(bounds.tolist()):
        begin, end = np.searchsorted(pairs[0], [low, high])
        other = np.flatnonzero((pairs[1] >= low) & (pairs[1] < high))
        edge = np.concatenate([np.arange(begin, end), other])
        cell = np.concatenate([pairs[0, begin:end], pairs[1, other]])
        order = np.lexsort((-confidence[edge], cell))
        cell = cell[order]
        rank = np.arange(len(order)) - np.searchsorted(cell, cell)
        keep[edge[order[rank < KEEP]]] = True
    return keep

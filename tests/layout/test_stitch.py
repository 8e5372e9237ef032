from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_gears.layout import PatchesOutput, VotesOutput, collect_votes, stitch_votes, weighted_median
from pyg_gears.layout.connectivity import parts
from pyg_gears.layout.settings import SpreadRule
from pyg_gears.layout.spread import relative_spread
from pyg_gears.layout.stitch import vote_weights


def slow_median(value, weight):
    order = np.argsort(value, kind="stable")
    value, weight = value[order], weight[order]
    middle = (np.cumsum(weight) - weight / 2) / weight.sum()
    return np.interp(0.5, middle, value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=12), st.integers(0, 999), st.booleans())
def test_weighted_median_of_every_group(sizes, seed, equal):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    value = rng.integers(0, 5, len(group)) + rng.random(len(group)) * (seed % 2)
    weight = np.ones(len(group)) if equal else rng.random(len(group)) + 1e-3
    found = weighted_median(value, weight, group, len(sizes))
    for g in range(len(sizes)):
        assert np.isclose(found[g], slow_median(value[group == g], weight[group == g]))
        if equal:
            assert np.isclose(found[g], np.median(value[group == g]))


def make_votes(pairs, pair, patch, value):
    return VotesOutput(pairs, np.searchsorted(pair, np.arange(pairs.shape[1] + 1)), patch, value)


def random_votes(seed=0, patches=6, size=25, n=60, error=0.1, voters=1):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((n, 2))
    cells = np.concatenate([np.sort(rng.permutation(n)[:size]) for _ in range(patches)])
    own = PatchesOutput(cells, np.arange(patches + 1) * size, np.zeros(patches, dtype=bool), n)
    pos = truth[cells] + error * rng.standard_normal((voters, len(cells), 2))
    return n, truth, own, pos, collect_votes(own, pos.astype(np.float32), 5, 4)


def test_a_pair_is_the_median_of_its_votes_with_its_support():
    n, _, own, _, votes = random_votes(voters=3)
    scale = np.random.default_rng(1).normal(size=len(own)) * 0.1
    found = stitch_votes(n, votes, scale, own.is_global, min_support=1, max_dispersion=1e9)
    reliability, precision, _ = vote_weights(votes, scale, own.is_global)
    assert found.dropped == 0
    assert np.array_equal(found.pairs, votes.pairs)
    counts = np.bincount(votes.pair)
    assert (counts[::7] > 1).sum() > 5
    for pair in range(0, found.pairs.shape[1], 7):
        mine = votes.pair == pair
        patch = votes.patch[mine]
        value = votes.log_distance[mine] + scale[patch]
        weight = (reliability * precision)[patch]
        assert found.support[pair] == mine.sum()
        middle = slow_median(value, weight)
        assert np.isclose(np.log(found.distance[pair]), middle, atol=1e-6)
        spread = (weight * np.abs(value - middle)).sum() / weight.sum()
        if len(value) == 1:  # nothing to compare with: the typical one
            spread = np.median(found.dispersion[counts > 1])
        assert np.isclose(found.dispersion[pair], spread, atol=1e-6)
        expected = (1 - 0.5 ** mine.sum()) * np.exp(-found.dispersion[pair] / np.median(found.dispersion))
        assert np.isclose(found.confidence[pair], expected)
        assert np.isclose(found.weight[pair] * (reliability * precision).max(), expected * weight.mean())


def test_reliability_is_the_mean_disagreement_with_the_others():
    _, _, own, _, votes = random_votes(patches=4)
    scale = np.zeros(len(own))
    reliability, _, mean = vote_weights(votes, scale, own.is_global)
    total, count = np.zeros(len(own)), np.zeros(len(own))
    for a in range(len(votes.pair)):
        for b in np.flatnonzero(votes.pair == votes.pair[a]):
            if a != b:
                total[votes.patch[a]] += abs(votes.log_distance[a] - votes.log_distance[b])
                count[votes.patch[a]] += 1
    ratio = total / count
    assert np.allclose(reliability, np.exp(-ratio / np.median(ratio)), rtol=1e-5)
    assert np.isclose(mean, total.sum() / count.sum(), rtol=1e-5)


def test_a_patch_of_noise_is_the_least_reliable_and_hardly_counts():
    n, truth, own, pos, _ = random_votes(patches=12, size=30, error=0.03)
    pos[:, own.ptr[5] : own.ptr[6]] = np.random.default_rng(3).standard_normal((1, 30, 2))
    votes = collect_votes(own, pos.astype(np.float32), 5, 4)
    found = stitch_votes(n, votes, np.zeros(12), own.is_global)
    assert np.argmin(found.reliability) == 5
    assert found.reliability[5] < 0.2 * np.median(found.reliability)
    true = np.linalg.norm(truth[found.pairs[0]] - truth[found.pairs[1]], axis=1)
    assert np.median(np.abs(np.log(found.distance / true))) < 0.08


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.integers(1, 4), st.floats(0, 3))
def test_dropping_never_disconnects_a_cell(seed, min_support, max_dispersion):
    n, _, own, _, votes = random_votes(seed, error=0.5)
    found = stitch_votes(n, votes, np.zeros(len(own)), own.is_global, min_support, max_dispersion)
    assert np.array_equal(parts(n, found.pairs), parts(n, votes.pairs))
    assert found.pairs.shape[1] + found.dropped == votes.pairs.shape[1]
    before, after = (np.bincount(pairs.ravel(), minlength=n) for pairs in (votes.pairs, found.pairs))
    assert (after >= np.minimum(before, 6)).all()
    assert ((found.confidence > 0) & (found.confidence < 1)).all()


def test_local_pairs_need_support_and_global_ones_do_not():
    pairs = np.array([[0] * 20, range(1, 21)])
    pair = np.concatenate([np.arange(20), np.arange(10)])
    votes = make_votes(pairs, np.sort(pair), np.array([t % 2 for t in range(30)]), np.zeros(30, dtype=np.float32))
    # The star keeps every pair because every outer cell has but one; a second hub shows what goes.
    both = np.concatenate([pairs, np.array([[21] * 20, range(1, 21)])], axis=1)
    double = make_votes(
        both,
        np.concatenate([votes.pair, votes.pair + 20]),
        np.concatenate([votes.patch, votes.patch]),
        np.zeros(60, dtype=np.float32),
    )
    local = stitch_votes(22, double, np.zeros(2), np.array([False, False]), 2, 1e9)
    wide = stitch_votes(22, double, np.zeros(2), np.array([True, True]), 2, 1e9)
    assert wide.dropped == 0
    assert local.dropped == 0  # each outer cell has two pairs, fewer than the six that it keeps anyway


def test_confidence_grows_with_support_and_falls_with_dispersion():
    pair = np.repeat(np.arange(40), np.tile([2, 6], 20))
    patch = np.concatenate([np.arange(count) for count in np.tile([2, 6], 20)])
    spread = np.repeat([0.05, 0.5], 20)[pair]
    value = (spread * np.where(patch % 2 == 0, 1, -1)).astype(np.float32)
    pairs = np.stack([np.arange(40), np.arange(1, 41)])
    found = stitch_votes(41, make_votes(pairs, pair, patch, value), np.zeros(6), np.zeros(6, dtype=bool), 1, 1e9)
    assert (found.confidence[1:20:2] > found.confidence[0:20:2]).all()
    assert (found.confidence[:20] > found.confidence[20:]).all()


@pytest.mark.parametrize("kind", [False, True])
def test_too_few_comparisons_leave_the_typical_reliability(kind):
    patches = PatchesOutput(np.arange(20), np.array([0, 10, 20]), np.array([kind, kind]), 20)
    votes = collect_votes(patches, np.random.default_rng(0).random((1, 20, 2)).astype(np.float32), 3, 2)
    reliability, _, disagreement = vote_weights(votes, np.zeros(2), patches.is_global)
    assert np.allclose(reliability, np.exp(-1))
    assert disagreement == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=9), st.integers(0, 99))
def test_the_published_spread_of_every_group(sizes, seed):
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    value = rng.random(len(group)) + 0.1
    found = relative_spread(value, group, len(sizes))
    for g in range(len(sizes)):
        own = value[group == g]
        width = np.quantile(own, 0.9) - np.quantile(own, 0.1) if len(own) >= 4 else own.std()
        assert np.isclose(found[g], width / np.median(own))


def test_the_published_rule_keeps_and_weighs_pairs_by_their_spread():
    n, _, own, _, votes = random_votes(patches=12, size=40, error=0.15)
    scale, rule = np.zeros(len(own)), SpreadRule(limit=0.2, sharpness=5.0)
    found = stitch_votes(n, votes, scale, own.is_global, 2, spread=rule)
    count = np.bincount(votes.pair)
    width = relative_spread(np.exp(votes.log_distance), votes.pair, len(count))
    place = {pair: number for number, pair in enumerate(zip(*votes.pairs.tolist(), strict=True))}
    kept = np.array([place[pair] for pair in zip(*found.pairs.tolist(), strict=True)])
    np.testing.assert_allclose(found.weight, count[kept] * np.exp(-5.0 * width[kept] ** 2), rtol=1e-4)
    np.testing.assert_allclose(found.confidence, found.weight)
    good = np.flatnonzero((width <= 0.2) & (count >= 2))
    assert 0 < len(good) < len(count)
    assert np.isin(good, kept).all()
    bad = (width[kept] > 0.2) | (count[kept] < 2)  # only as one of the best pairs of a cell
    assert bad.sum() <= 6 * n

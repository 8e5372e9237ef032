from __future__ import annotations

import numpy as np

from pyg_gears.layout import PatchesOutput, collect_votes


def test_every_patch_that_holds_a_pair_votes_on_it():
    rng = np.random.default_rng(0)
    sizes, n = [12, 15, 9, 20], 30
    cells = np.concatenate([np.sort(rng.permutation(n)[:size]) for size in sizes])
    patches = PatchesOutput(cells, np.cumsum([0, *sizes]), np.zeros(4, dtype=bool), n)
    pos = rng.standard_normal((2, len(cells), 2)).astype(np.float32)
    weights = np.array([0.7, 0.3])
    votes = collect_votes(patches, pos, neighbors=3, landmarks=2, seed=0, weights=weights)

    known = {(i, j): pair for pair, (i, j) in enumerate(votes.pairs.T)}
    assert list(known) == sorted(known)
    assert all(i < j for i, j in known)
    expected = {}
    for patch in range(4):
        own, layout = patches[patch], pos[:, patches.ptr[patch] : patches.ptr[patch + 1]]
        distance = np.linalg.norm(layout[:, :, None] - layout[:, None], axis=-1)
        for a in range(len(own)):
            for b in np.argsort(np.average(distance, axis=0, weights=weights)[a])[1:4]:
                assert tuple(sorted((own[a], own[b]))) in known  # its own nearest neighbours were proposed
            for b in range(a + 1, len(own)):
                if (own[a], own[b]) in known:
                    expected[known[own[a], own[b]], patch] = np.log(weights @ distance[:, a, b])
    assert set(zip(votes.pair.tolist(), votes.patch.tolist(), strict=True)) == set(expected)
    assert len(votes.pair) == len(expected)
    assert (np.diff(votes.pair) >= 0).all()
    for t in range(len(votes.pair)):
        assert np.allclose(votes.log_distance[t], expected[votes.pair[t], votes.patch[t]], atol=1e-5)


def test_longer_distances_are_measured():
    n = 200
    pos = np.random.default_rng(0).random((1, n, 2)).astype(np.float32)
    one = PatchesOutput(np.arange(n), np.array([0, n]), np.array([False]), n)
    near, far = (collect_votes(one, pos, 6, landmarks) for landmarks in (0, 4))
    assert np.exp(near.log_distance).max() < 0.3
    degree = np.bincount(far.pairs.ravel()) - np.bincount(near.pairs.ravel())
    assert np.median(degree) == 4
    assert np.exp(far.log_distance).max() > 0.8


def test_two_cells_on_one_point():
    one = PatchesOutput(np.arange(2), np.array([0, 2]), np.array([False]), 2)
    votes = collect_votes(one, np.zeros((1, 2, 2), dtype=np.float32))
    assert votes.pairs.tolist() == [[0], [1]]
    assert np.isfinite(votes.log_distance).all()

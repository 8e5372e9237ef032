from __future__ import annotations

import numpy as np

from pyg_gears.layout import (
    PatchesOutput,
    cell_spread,
    collect_votes,
    neighbor_scatter,
    vote_disagreement,
    voter_disagreement,
)


def test_voter_disagreement_is_the_formula():
    rng = np.random.default_rng(0)
    pos, layout = rng.standard_normal((3, 20, 2)), rng.standard_normal((20, 2))
    found = voter_disagreement(pos, layout, chunk=7)
    for i in range(20):
        terms = []
        for one in pos:
            for j in set(range(20)) - {i}:
                d, target = np.linalg.norm(one[i] - one[j]), np.linalg.norm(layout[i] - layout[j])
                terms.append(abs(d - target) / (d + target))
        assert np.isclose(found[i], np.mean(terms))
    assert voter_disagreement(np.zeros((2, 4, 2)), np.zeros((4, 2))).tolist() == [0.0] * 4


def test_vote_disagreement_is_the_formula():
    rng = np.random.default_rng(0)
    cells = np.concatenate([np.sort(rng.permutation(20)[:9]) for _ in range(5)])
    patches = PatchesOutput(cells, np.arange(6) * 9, np.zeros(5, dtype=bool), 20)
    votes = collect_votes(patches, rng.standard_normal((2, 45, 2)).astype(np.float32), 3, 2)
    scale, layout = rng.normal(size=5), rng.standard_normal((20, 2))
    found = vote_disagreement(20, votes, scale, layout)
    terms = [[] for _ in range(20)]
    for t, pair in enumerate(votes.pair):
        i, j = votes.pairs[:, pair]
        target = np.linalg.norm(layout[i] - layout[j])
        for d in np.exp(votes.log_distance[:, t] + scale[votes.patch[t]]):
            for cell in (i, j):
                terms[cell].append(abs(d - target) / (d + target))
    assert np.allclose(found, [np.mean(term) if term else 0.0 for term in terms], atol=1e-5)


def test_scatter_is_small_where_like_lies_with_like():
    rng = np.random.default_rng(0)
    pos = rng.standard_normal((500, 2))
    near = np.argsort(np.linalg.norm(pos[:, None] - pos[None], axis=-1), axis=1)[:, 1:11]
    at_random = rng.integers(0, 500, (500, 10))
    assert np.median(neighbor_scatter(pos, near)) < 0.2
    assert 0.9 < np.median(neighbor_scatter(pos, at_random)) < 1.5
    assert np.allclose(neighbor_scatter(7 * pos + 3, near), neighbor_scatter(pos, near))
    assert neighbor_scatter(np.zeros((4, 2)), np.zeros((4, 2), dtype=int)).tolist() == [0.0] * 4


def test_both_parts_count():
    assert np.allclose(cell_spread(np.array([0.1, 0.4, 0.1]), np.array([0.4, 0.4, 0.0])), [0.2, 0.4, 0.0])

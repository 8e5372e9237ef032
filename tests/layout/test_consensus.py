from __future__ import annotations

import numpy as np
from sklearn.manifold import smacof

from pyg_gears.layout import consensus_layout
from pyg_gears.layout.consensus import distances


def voters(n=60, count=4, error=0.1, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.standard_normal((n, 2))
    parts = []
    for _ in range(count):
        turn, _ = np.linalg.qr(rng.standard_normal((2, 2)))
        parts.append((truth + error * rng.standard_normal((n, 2))) @ turn)
    return truth, np.stack(parts)


def test_mirrored_and_turned_voters_agree():
    truth, pos = voters(error=0.0)
    found = consensus_layout(pos)
    assert np.allclose(distances(found.pos), distances(truth), atol=1e-6)
    assert found.stress < 1e-8


def test_the_consensus_beats_its_voters():
    truth, pos = voters(count=8, error=0.2)
    error = [np.abs(distances(one) - distances(truth)).mean() for one in (consensus_layout(pos).pos, *pos)]
    assert error[0] < 0.6 * min(error[1:])


def test_stress_falls_to_what_a_reference_reaches():
    _, pos = voters(error=0.3)
    found = consensus_layout(pos, iterations=300)
    assert (np.diff(found.history) <= 1e-12).all()
    _, reference = smacof(
        found.distance, init=pos[0], n_init=1, max_iter=1000, eps=1e-10, metric=True, normalized_stress=False
    )
    assert np.isclose(found.history[-1] / 2, reference, rtol=1e-3)


def test_one_voter_is_the_layout():
    _, pos = voters(count=1)
    assert np.array_equal(consensus_layout(pos).pos, pos[0])


def test_coinciding_cells_are_finite():
    assert np.isfinite(consensus_layout(np.zeros((2, 5, 2))).pos).all()


def test_a_voter_counts_as_much_as_its_weight():
    _, pos = voters(count=2, error=0.4)
    repeated = consensus_layout(pos[[0, 0, 0, 1]], iterations=200)
    weighted = consensus_layout(pos, iterations=200, weights=np.array([0.75, 0.25]))
    assert np.allclose(weighted.distance, repeated.distance)
    assert np.allclose(distances(weighted.pos), distances(repeated.pos), atol=1e-6)

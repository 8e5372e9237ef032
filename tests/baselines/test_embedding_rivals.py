from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.baselines import embedding_rivals
from pyg_gears.errors import InputError
from pyg_gears.metrics import distance_agreement


def section(seed: int, noise: float, n: int = 250) -> tuple[np.ndarray, np.ndarray]:
    """Embedding whose first two channels are the place, turned and scaled differently in each section."""
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(n, 2))
    turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]
    return np.concatenate([place, rng.normal(size=(n, 2))], axis=1) + noise * rng.normal(
        size=(n, 4)
    ), 50 * place @ turn + 3


@pytest.mark.parametrize("count", [1, 2])
def test_both_regressions_find_the_place_in_every_frame(count: int) -> None:
    query, truth = section(9, 0.1)
    found = embedding_rivals([section(seed, 0.1) for seed in range(count)], query)
    assert list(found) == ["knn_regression", "ridge"]
    for layout in found.values():
        assert distance_agreement(layout, truth).spearman > 0.9
        np.testing.assert_allclose((layout**2).sum(axis=1).mean(), 1.0)


def test_the_more_skilful_reference_counts_more() -> None:
    query, truth = section(9, 0.1)
    x, pos = section(1, 0.1)
    shuffled = pos[np.random.default_rng(0).permutation(len(pos))]
    mixed = embedding_rivals([section(0, 0.1), (x, shuffled)], query)["ridge"]
    assert distance_agreement(mixed, truth).spearman > 0.9


def test_bad_input_is_one_sentence() -> None:
    x, pos = section(0, 0.1)
    with pytest.raises(InputError, match="expected at least one reference, found none; pass its embedding"):
        embedding_rivals([], x)
    with pytest.raises(InputError, match="expected reference positions that differ, found all of reference 1 at one"):
        embedding_rivals([(x, pos), (x, np.ones_like(pos))], x)
    with pytest.raises(InputError, match="expected a seed of a whole number of at least 0, found -1; give another"):
        embedding_rivals([(x, pos)], x, seed=-1)

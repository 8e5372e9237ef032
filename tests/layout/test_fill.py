from __future__ import annotations

import itertools

import numpy as np
import pytest

from pyg_gears.errors import InputError
from pyg_gears.layout import fill, fill_evenly
from pyg_gears.layout.fill import even_disc


def radius(pos):
    return np.sqrt(((pos - pos.mean(axis=0)) ** 2).sum(axis=1).mean())


def test_the_assignment_is_the_best_of_all():
    pos = np.random.default_rng(0).standard_normal((6, 2)) + 3
    disc = pos.mean(axis=0) + radius(pos) * even_disc(6)
    best = min(itertools.permutations(range(6)), key=lambda order: ((pos - disc[list(order)]) ** 2).sum())
    assert np.allclose(fill_evenly(pos, 1.0), disc[list(best)])
    assert np.allclose(fill_evenly(pos, 0.5), (pos + disc[list(best)]) / 2)


@pytest.mark.parametrize("n", [1500, 4000])
def test_a_contracted_layout_fills_its_disc(n):
    pos = np.random.default_rng(0).standard_normal((n, 2)) ** 3 + [5, -2]
    full = fill_evenly(pos, 1.0)
    assert np.allclose(full.mean(axis=0), pos.mean(axis=0), atol=0.02 * radius(pos))
    assert np.isclose(radius(full), radius(pos), rtol=0.02)
    # On an even disc the share of cells within r is r^2 / R^2, with R^2 twice the mean square.
    share = ((full - full.mean(axis=0)) ** 2).sum(axis=1) / (2 * radius(pos) ** 2)
    assert np.abs(np.sort(share) - (np.arange(n) + 0.5) / n).max() < 0.03


def test_sliced_transport_is_near_the_exact_one():
    pos = np.random.default_rng(1).standard_normal((800, 2))
    disc = radius(pos) * even_disc(800)
    exact, sliced = (((pos - find(pos - pos.mean(axis=0), disc)) ** 2).sum() for find in (fill._assign, fill._slide))
    assert sliced < 1.3 * exact + 1e-9


def test_nothing_happens_without_strength_or_with_two_cells():
    pos = np.random.default_rng(0).standard_normal((9, 2))
    assert np.array_equal(fill_evenly(pos, 0.0), pos)
    assert np.array_equal(fill_evenly(pos[:2], 1.0), pos[:2])


def test_a_strength_beyond_one_is_refused():
    with pytest.raises(InputError, match=r"a filling strength in \[0, 1\], found 1.2"):
        fill_evenly(np.zeros((4, 2)), 1.2)

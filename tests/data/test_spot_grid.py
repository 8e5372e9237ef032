from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.data import Slide, disjoint_halves, pseudo_spots
from pyg_gears.errors import InputError


def section(n: int = 400, seed: int = 0) -> Slide:
    generator = np.random.default_rng(seed)
    pos = generator.uniform((5, -40), (85, 20), size=(n, 2))
    counts = csr_array(generator.poisson(1.5, size=(n, 12)).astype(np.float32))
    return Slide("tissue", counts, tuple("abcdefghijkl"), tuple(f"c{i}" for i in range(n)), pos)


def slow(slide: Slide, columns: int, rows: int, core: float, least: int, shift: float) -> dict[tuple, list[int]]:
    """Centre of every spot -> its cells, by a loop over all bins and all cells."""
    assert slide.pos is not None
    (x0, y0), (x1, y1) = slide.pos.min(axis=0), slide.pos.max(axis=0)
    wide, high = (x1 - x0) / columns, (y1 - y0) / rows
    first = -1 if shift else 0
    found = {}
    for column in range(first, columns):
        for row in range(first, rows):
            x, y = x0 + (column + shift + 0.5) * wide, y0 + (row + shift + 0.5) * high
            cells = [
                i
                for i, (a, b) in enumerate(slide.pos)
                if abs(a - x) <= core * wide / 2 * (1 + 1e-12) and abs(b - y) <= core * high / 2 * (1 + 1e-12)
            ]
            if len(cells) >= least:
                found[round(x, 6), round(y, 6)] = cells
    return found


@pytest.mark.parametrize(
    ("grid", "core", "least", "shift"), [((9, 7), 0.7, 2, 0.0), ((9, 7), 0.7, 2, 0.3), ((4, 6), 0.35, 3, 0.9)]
)
def test_slow_statement(grid: tuple[int, int], core: float, least: int, shift: float) -> None:
    slide = section()
    found = pseudo_spots(slide, grid, core=core, min_cells=least, shift=shift)
    expected = slow(slide, *grid, core, least, shift)
    assert found.slide.pos is not None
    centres = [tuple(np.round(place, 6)) for place in found.slide.pos]
    assert set(centres) == set(expected)
    assert len(centres) == len(expected) > 5
    for number, centre in enumerate(centres):
        cells = expected[centre]
        np.testing.assert_array_equal(np.flatnonzero(found.membership.toarray()[number]), cells)
        np.testing.assert_array_equal(found.slide.counts.toarray()[number], slide.counts.toarray()[cells].sum(axis=0))
    assert np.flatnonzero(found.inside).tolist() == sorted(i for cells in expected.values() for i in cells)


def test_counts_are_conserved_and_a_full_core_holds_every_cell() -> None:
    slide = section()
    found = pseudo_spots(slide, 8)
    assert found.slide.counts.sum() == slide.counts[found.inside].sum()
    assert 0.3 < found.inside.mean() < 0.6  # half of the area
    whole = pseudo_spots(slide, 8, core=1.0, min_cells=1)
    assert whole.inside.all()
    assert whole.slide.counts.sum() == slide.counts.sum()
    assert (whole.membership.sum(axis=0) == 1).all()
    assert pseudo_spots(slide, (8, 8)).slide.cells == found.slide.cells


def test_places_are_found_in_the_spots_that_were_kept() -> None:
    slide = section()
    found = pseudo_spots(slide, 10, shift=0.3, min_cells=3)
    assert slide.pos is not None
    number = found.spot_of(slide.pos)
    np.testing.assert_array_equal(number >= 0, found.inside)
    rows, cells = found.membership.nonzero()
    np.testing.assert_array_equal(number[cells], rows)
    assert found.spot_of(found.slide.pos).tolist() == list(range(len(found.slide)))  # type: ignore[arg-type]
    assert found.spot_of(np.array([[1e6, 0.0], [-1e6, 0.0]])).tolist() == [-1, -1]


def test_halves_are_disjoint_and_follow_the_seed() -> None:
    slide = section(41)
    pooled, placed = disjoint_halves(slide, seed=3)
    assert (len(pooled), len(placed)) == (20, 21)
    assert set(pooled.cells) | set(placed.cells) == set(slide.cells)
    assert not set(pooled.cells) & set(placed.cells)
    assert disjoint_halves(slide, seed=3)[0].cells == pooled.cells != disjoint_halves(slide, seed=4)[0].cells
    row = slide.cells.index(placed.cells[5])
    np.testing.assert_array_equal(placed.counts.toarray()[5], slide.counts.toarray()[row])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 0}, "expected a grid of at least one bin, found 0 x 0; raise it"),
        ({"core": 0.0}, r"expected a core in \(0, 1\], found 0.0"),
        ({"min_cells": 0}, "expected spots of at least one cell, found 0"),
        ({"shift": 1.0}, r"expected a shift in \[0, 1\), found 1.0"),
        ({"min_cells": 300}, "expected a bin of at least 300 cells in a grid of 30 x 30, found none; use a coarser"),
    ],
)
def test_bad_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pseudo_spots(section(), **options)


def test_cells_without_places_are_refused() -> None:
    slide = section()
    with pytest.raises(InputError, match="tissue: expected cells with positions, found none"):
        pseudo_spots(Slide(slide.name, slide.counts, slide.genes, slide.cells))

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from pyg_gears.data import Slide, cell_differences
from pyg_gears.data.cell_differences import check_cells_differ
from pyg_gears.errors import InputError


def cells(counts: np.ndarray) -> Slide:
    genes, names = (
        tuple(f"{letter}{i}" for i in range(size)) for letter, size in zip("gc", counts.shape[::-1], strict=True)
    )
    return Slide("cells", csr_array(counts.astype(np.float32)), genes, names)


@pytest.mark.parametrize("kind", ["equal", "depth", "empty rows"])
def test_cells_that_are_all_alike_are_refused(kind) -> None:
    row = np.random.default_rng(0).poisson(3.0, 20) + 1.0
    counts = np.tile(row, (12, 1))
    if kind == "depth":
        counts *= np.arange(1, 13)[:, None]
    if kind == "empty rows":
        counts[3:6] = 0
    with pytest.raises(InputError, match="expected cells that differ, found 12 with the same expression"):
        check_cells_differ(cells(counts))


def test_one_count_makes_a_difference() -> None:
    counts = np.full((12, 20), 5.0)
    counts[7, 3] += 1
    check_cells_differ(cells(counts))


def test_cells_are_compared_across_the_rows_taken_at_a_time(monkeypatch) -> None:
    monkeypatch.setattr(cell_differences, "ROWS", 4)
    counts = np.full((12, 20), 5.0)
    with pytest.raises(InputError, match="expected cells that differ"):
        check_cells_differ(cells(counts))
    counts[8:, 3] = 6  # alike within every four
    check_cells_differ(cells(counts))
    counts[:8] = 0
    with pytest.raises(InputError, match="expected cells that differ"):
        check_cells_differ(cells(counts))

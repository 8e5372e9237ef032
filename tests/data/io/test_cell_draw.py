from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from scipy import sparse

from pyg_gears.data import Slide, cell_draw, read_cells
from pyg_gears.data.io.checked_files import checked_files
from pyg_gears.data.io.given import given_cells

COUNTS = np.random.default_rng(0).poisson(2.0, size=(90, 12)).astype(np.float32)
GENES = tuple(f"g{i}" for i in range(12))
CELLS = tuple(f"c{i}" for i in range(90))


@pytest.fixture(autouse=True)
def at_most_forty(monkeypatch) -> None:
    monkeypatch.setattr(cell_draw, "FIT_CELLS", 40)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    adata = AnnData(sparse.csr_matrix(COUNTS))
    adata.obs_names, adata.var_names = list(CELLS), list(GENES)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def test_all_of_few_cells_and_forty_of_many_are_drawn_by_the_seed() -> None:
    np.testing.assert_array_equal(cell_draw.cell_draw(40, 0), np.arange(40))
    drawn = cell_draw.cell_draw(90, 0)
    assert len(drawn) == len(set(drawn.tolist())) == 40
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(cell_draw.cell_draw(90, 0), drawn)
    assert not np.array_equal(cell_draw.cell_draw(90, 1), drawn)


def test_a_fit_reads_the_same_cells_from_whatever_holds_them(file: Path) -> None:
    rows = cell_draw.cell_draw(90, 3)
    slide = Slide("cells", sparse.csr_array(COUNTS), GENES, CELLS)
    with checked_files([], file) as files:
        cells = files(fit_seed=3).cells
        assert len(files.cells.cells) == 90
    adata, backed = read_h5ad(file), read_h5ad(file, backed="r")
    given = [given_cells(one, fit_seed=3) for one in (file, adata, backed, slide)]
    for found in (cells, read_cells(file, fit_seed=3), *given):
        np.testing.assert_array_equal(found.counts.toarray(), COUNTS[rows])
        assert found.cells == tuple(CELLS[row] for row in rows)
    for one in (file, adata, slide):
        assert len(given_cells(one)) == 90

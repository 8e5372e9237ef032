"""Tables read block by block hold what they hold when read whole, and no more than the genes that are asked for."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from pyg_gears.data import read_cells, read_slides
from pyg_gears.data.io import row_blocks as row_blocks_module
from pyg_gears.data.io import stored_source
from pyg_gears.data.io.anndata_source import AnnDataSource
from pyg_gears.data.io.count_table import SAMPLE_ROWS, count_table
from pyg_gears.data.io.row_blocks import row_blocks
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import GENES, SPOTS, plain_table

LAYOUTS = {"dense": np.asarray, "csr": csr_matrix, "csc": csc_matrix}


@pytest.fixture
def small_blocks(monkeypatch) -> None:
    monkeypatch.setattr(row_blocks_module, "ENTRIES", 200)


def saved(folder: Path, layout: str, *, zarr: bool = False) -> Path:
    table = plain_table()
    table.X = LAYOUTS[layout](table.X)
    path = folder / ("cells.zarr" if zarr else "cells.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # anndata announces other defaults of zarr
        table.write_zarr(path) if zarr else table.write_h5ad(path)
    return path


@pytest.mark.parametrize("zarr", [False, True])
@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_blocks_are_the_table(tmp_path: Path, small_blocks, layout: str, zarr: bool) -> None:
    cells = read_cells(saved(tmp_path, layout, zarr=zarr))
    np.testing.assert_array_equal(cells.counts.toarray(), plain_table().X)
    chosen = ["gene7", "gene2", "gene19"]
    some = read_cells(tmp_path / ("cells.zarr" if zarr else "cells.h5ad"), genes=chosen)
    assert some.genes == tuple(chosen)
    np.testing.assert_array_equal(some.counts.toarray(), np.asarray(plain_table().X)[:, [7, 2, 19]])


def test_tables_by_rows_come_in_blocks_and_others_whole(tmp_path: Path, small_blocks) -> None:
    sizes = {}
    for layout in LAYOUTS:
        with h5py.File(saved(tmp_path, layout)) as file:
            blocks = row_blocks(file["X"])
            sizes[layout] = None if blocks is None else [block.shape[0] for block in blocks]
    assert sizes["csc"] is None
    assert sizes["dense"] == [200 // GENES] * (SPOTS * GENES // 200) + [SPOTS % (200 // GENES)] * (SPOTS % 8 > 0)
    assert sum(sizes["csr"]) == SPOTS
    assert len(sizes["csr"]) > 5
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")  # the last one, by columns
    assert len(list(AnnDataSource(backed, "a").blocks("X"))) == 1
    backed.file.close()
    backed = anndata.read_h5ad(saved(tmp_path, "csr"), backed="r")
    assert len(list(AnnDataSource(backed, "a").blocks("X"))) == len(sizes["csr"])
    backed.file.close()


def test_a_row_that_is_larger_than_a_block_is_one(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(row_blocks_module, "ENTRIES", GENES // 2)
    with h5py.File(saved(tmp_path, "dense")) as file:
        assert [block.shape for block in row_blocks(file["X"])] == [(1, GENES)] * SPOTS


def test_sections_that_are_mixed_keep_their_rows(tmp_path: Path, small_blocks) -> None:
    table = plain_table()
    table.obs["section"] = np.where(np.arange(SPOTS) % 3 == 1, "b", "a")
    table.write_h5ad(tmp_path / "two.h5ad")
    for slide in read_slides(tmp_path / "two.h5ad", section_key="section"):
        rows = [table.obs_names.get_loc(cell) for cell in slide.cells]
        np.testing.assert_array_equal(slide.counts.toarray(), np.asarray(table.X)[rows])


def test_what_is_said_of_a_table_is_of_all_genes_and_of_the_rows_asked_for() -> None:
    rng = np.random.default_rng(0)
    values = rng.poisson(1.0, (60, 8)).astype(np.float64)
    values[50, 3], values[55, 4] = 0.5, 77.0
    rows = np.array([40, 3, 41, 2, 59, 55])

    def table(rows: np.ndarray, columns: np.ndarray | None = None, blocks: int = 7):
        return count_table("a", "X", np.array_split(csr_array(values).toarray(), blocks), rows, columns)

    for blocks in (1, 7):
        found = table(rows, np.array([5, 0]), blocks)
        np.testing.assert_array_equal(found.counts.toarray(), values[np.ix_(rows, [5, 0])])
        assert found.whole
        assert found.largest == 77
        assert found.filled == pytest.approx((values[rows] > 0).mean())
        assert found.sample.shape == (6, 8)
        assert not table(np.arange(60), np.array([0]), blocks).whole
    values[1, 0] = -2
    assert table(np.arange(60), np.array([5])).lowest == -2
    assert table(np.arange(2, 60), np.array([5])).lowest == 0
    values[1, 0] = np.nan
    assert not table(np.arange(60), np.array([5])).finite


def test_the_sample_of_many_blocks_is_bounded_and_spread_over_all() -> None:
    blocks = [np.full((100, 2), number + 1.0) for number in range(100)]
    sample = count_table("a", "X", blocks, np.arange(10_000)).sample
    assert SAMPLE_ROWS / 4 < sample.shape[0] <= SAMPLE_ROWS
    assert set(np.unique(sample.data)) == set(range(1, 101))


@pytest.mark.parametrize("spoiled", ["log1p", "scaled"])
def test_normalised_values_are_found_though_few_genes_are_read(tmp_path: Path, small_blocks, spoiled: str) -> None:
    table = plain_table()
    values = np.asarray(table.X)
    values = values / values.sum(axis=1, keepdims=True) * 1e4
    table.X = csr_matrix(np.log1p(values) if spoiled == "log1p" else values)
    table.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(
        InputError, match="found log-normalised values" if spoiled == "log1p" else "scaled to one total"
    ):
        read_cells(tmp_path / "cells.h5ad", genes=["gene3", "gene4"])


def test_genes_that_are_missing_are_reported_before_a_count_is_read(tmp_path: Path, monkeypatch) -> None:
    path = saved(tmp_path, "csr")
    monkeypatch.setattr(stored_source, "row_blocks", lambda stored: pytest.fail("counts were read"))
    with pytest.raises(
        InputError, match=r"cells: expected all 3 genes of the model, found 1 missing, for instance other"
    ):
        read_cells(path, genes=["gene3", "other", "gene4"])


def test_reading_a_few_genes_takes_a_block_and_their_counts(tmp_path: Path) -> None:
    code = f"""
    import resource
    import anndata, h5py, numpy as np
    from scipy.sparse import csr_matrix
    from pyg_gears.data import read_cells
    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    from pyg_gears.data.io import row_blocks
    read_cells({str(tmp_path / "small.h5ad")!r}, genes=["0", "1"])
    row_blocks.ENTRIES = 2**18
    before = peak()
    assert len(read_cells({str(tmp_path / "large.h5ad")!r}, genes=["0", "1"]).cells) == 40000
    print(peak() - before)
    """
    for name, n in (("small", 50), ("large", 40_000)):
        values = np.random.default_rng(0).integers(1, 9, (n, 250)).astype(np.float32)
        anndata.AnnData(csr_matrix(values)).write_h5ad(tmp_path / f"{name}.h5ad")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    counts = 8 * 40_000 * 250 / 2**20
    assert float(done.stdout) < counts / 2  # 76 MB; what 40,000 names take is in it


def test_more_counts_than_memory_holds_are_refused_while_they_are_read(monkeypatch) -> None:
    monkeypatch.setattr("pyg_gears.data.io.count_table.available_memory", lambda: 3 * 800)
    blocks = [np.ones((10, 10))] * 20
    with pytest.raises(
        InputError, match=r"a: expected counts that fit into memory, found 0.0 GiB of them in the first 70 rows"
    ):
        count_table("a", "X", blocks, np.arange(200))
    assert count_table("a", "X", blocks, np.arange(200), np.array([3])).counts.sum() == 200

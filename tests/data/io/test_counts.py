from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_array, csr_matrix

from pyg_gears.data import cells_from_anndata, read_cells, slide_from_anndata
from pyg_gears.data.io.count_matrix import count_matrix
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import GENES, SPOTS, both_ways, plain_table


def logged(counts: np.ndarray) -> np.ndarray:
    return np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4).astype(np.float32)


def test_counts_in_x_are_taken_without_a_word_whatever_else_the_table_holds(tmp_path: Path) -> None:
    table = plain_table()
    counts = table.X.copy()
    table.layers["counts"] = counts + 1
    table.raw = table.copy()
    table.uns["log1p"] = {}
    (slide,), said = both_ways(table, tmp_path)
    assert said == ""
    np.testing.assert_array_equal(slide.counts.toarray(), counts)


@pytest.mark.parametrize("place", ["counts", "Raw.Counts", "UMI_counts", ".raw"])
@pytest.mark.parametrize(
    "spoiled",
    [
        logged,
        lambda x: np.log2(1 + x).astype(np.float32),
        lambda x: x - x.mean(axis=0),
        lambda x: x / x.sum(axis=1, keepdims=True) * 1e6,
        lambda x: x * np.nan,
        lambda x: x * 0,
        lambda x: np.maximum(x - 0.03 * x.sum(axis=1, keepdims=True) / GENES, 0),
    ],
    ids=["log", "log2", "centred", "total", "NaN", "zeros", "corrected"],
)
def test_counts_that_lie_beside_x_are_used_and_named(tmp_path: Path, place: str, spoiled) -> None:
    table = plain_table()
    counts = table.X.copy()
    if place == ".raw":
        table.raw = table.copy()
    else:
        table.layers[place] = csr_matrix(counts)
    table.X = spoiled(counts)
    (slide,), said = both_ways(table, tmp_path)
    assert "are used" in said
    assert (f"layers['{place}']" if place != ".raw" else ".raw") in said
    np.testing.assert_array_equal(slide.counts.toarray(), counts)


def test_raw_gives_the_genes_of_var_unless_it_is_named(tmp_path: Path) -> None:
    table = plain_table()
    counts = table.X.copy()
    table.raw = table.copy()
    table = table[:, [7, 2, 5, 20]].copy()
    table.X = logged(counts)[:, [7, 2, 5, 20]]
    (slide,), _ = both_ways(table, tmp_path)
    assert slide.genes == ("gene7", "gene2", "gene5", "gene20")
    np.testing.assert_array_equal(slide.counts.toarray(), counts[:, [7, 2, 5, 20]])
    (slide,), said = both_ways(table, tmp_path, layer="raw")
    assert said == ""
    assert slide.genes == tuple(f"gene{i}" for i in range(GENES))
    np.testing.assert_array_equal(slide.counts.toarray(), counts)


def test_raw_that_holds_logarithms_or_lacks_a_gene_is_no_way_out(tmp_path: Path) -> None:
    table = plain_table()
    raw = table.copy()
    raw.X = logged(table.X)
    table.raw = raw
    table.X = logged(table.X)
    with pytest.raises(InputError, match="raw counts in X, found log-normalised values; put"):
        both_ways(table, tmp_path)
    table = plain_table()
    table.raw = table[:, 1:].copy()
    table.X = logged(table.X)
    with pytest.raises(InputError, match=r"layer \(whole numbers: raw\)"):
        both_ways(table, tmp_path)


def test_no_counts_are_refused_and_layers_with_whole_numbers_are_named(tmp_path: Path) -> None:
    table = plain_table()
    table.layers["spliced"], table.layers["smooth"] = np.rint(table.X / 2), table.X * 0.9137 + 0.01
    table.X = logged(table.X)
    table.layers["lognorm"] = table.X
    with pytest.raises(InputError, match=r"found log-normalised values; .*with layer \(whole numbers: spliced\)\.$"):
        both_ways(table, tmp_path)
    with pytest.raises(
        InputError, match=r"raw counts in layers\['lognorm'\], found log-normalised values; name another"
    ):
        both_ways(table, tmp_path, layer="lognorm")
    with pytest.raises(InputError, match=r"raw counts in X, found log-normalised values; name another layer"):
        both_ways(table, tmp_path, layer="X")
    with pytest.raises(InputError, match=r"expected a layer 'splice', found .*did you mean 'spliced'.*with layer"):
        both_ways(table, tmp_path, layer="splice")
    (slide,), said = both_ways(table, tmp_path, layer="spliced")
    assert said == ""
    np.testing.assert_array_equal(slide.counts.toarray(), table.layers["spliced"])


def test_a_log_that_the_table_admits_is_refused_though_its_values_hide_it(tmp_path: Path) -> None:
    table = plain_table()
    table.X = np.log1p(table.X * np.random.default_rng(1).uniform(0.5, 2, GENES)).astype(np.float32)
    (slide,), said = both_ways(table, tmp_path)
    assert len(slide) == SPOTS
    assert said.startswith("table: X holds fractions up to 4.7, which are taken for corrected counts")
    assert said.endswith("(layer='X' says they are right).")
    assert both_ways(table, tmp_path, layer="X")[1] == ""
    table.uns["log1p"] = {"base": None}
    with pytest.raises(InputError, match=r"found log-normalised values \(uns\['log1p'\] is set\)"):
        both_ways(table, tmp_path)


def test_corrected_counts_are_counts(tmp_path: Path) -> None:
    table = plain_table()
    table.X = np.maximum(table.X - 0.1 * table.X.sum(axis=1, keepdims=True) * table.X.mean(axis=0) / 90, 0)
    (slide,), said = both_ways(table, tmp_path)
    assert said == ""
    np.testing.assert_allclose(slide.counts.toarray(), table.X, rtol=1e-6)


def test_a_table_without_x(tmp_path: Path) -> None:
    full = plain_table()
    table = anndata.AnnData(None, obs=full.obs, var=full.var, obsm={"spatial": full.obsm["spatial"]})
    with pytest.raises(InputError, match="expected numeric counts in X, found none; put raw counts into X or name"):
        both_ways(table, tmp_path)
    table.layers["counts"] = full.X
    (slide,), said = both_ways(table, tmp_path)
    assert said == "table: X is missing; the counts of layers['counts'] are used."
    np.testing.assert_array_equal(slide.counts.toarray(), full.X)
    backed = anndata.read_h5ad(tmp_path / "table.h5ad", backed="r")
    with pytest.warns(UserWarning, match="X is missing"):
        assert len(cells_from_anndata(backed, "cells")) == SPOTS
    backed.file.close()


def test_cells_follow_the_same_rule(tmp_path: Path) -> None:
    table = plain_table()
    table.layers["counts"] = table.X.copy()
    table.X = logged(table.X)
    table.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.warns(UserWarning, match=r"cells: X holds log-normalised values; the counts of layers\['counts'\]"):
        cells = read_cells(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(cells.counts.toarray(), table.layers["counts"])
    del table.layers["counts"]
    with pytest.raises(InputError, match="found log-normalised values"):
        cells_from_anndata(table, "cells")


@pytest.mark.parametrize("layout", ["dense", "csr", "csc"])
def test_backed_tables_read_as_those_in_memory(tmp_path: Path, layout: str) -> None:
    table = plain_table()
    table.X = {"dense": np.asarray, "csr": csr_matrix, "csc": csc_matrix}[layout](table.X)
    table.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    for one in (backed, backed[5:60]):
        expected = table[one.obs_names].to_df().to_numpy()
        np.testing.assert_array_equal(slide_from_anndata(one, "a").counts.toarray(), expected)
    backed.file.close()


@pytest.mark.parametrize("dtype", ["float16", "float64", "int64", "uint8", "bool", "longdouble", ">f4", ">i2"])
def test_any_numeric_type_becomes_float32_and_the_callers_table_stays(dtype: str) -> None:
    values = np.random.default_rng(0).poisson(1.0, (6, 4)).astype(dtype)
    np.testing.assert_array_equal(count_matrix("a", "X", values, np.arange(6)).toarray(), values.astype(np.float32))
    twice = csr_matrix(([1.0, 2.0, 4.0], [1, 1, 0], [0, 2, 3]), shape=(2, 3))
    found = count_matrix("a", "X", twice, np.arange(2))
    np.testing.assert_array_equal(found.toarray(), [[0, 3, 0], [4, 0, 0]])
    assert twice.nnz == 3
    rows = np.array([1, 0])
    np.testing.assert_array_equal(count_matrix("a", "X", coo_array(twice), rows).toarray(), [[4, 0, 0], [0, 3, 0]])
    assert np.isinf(count_matrix("a", "X", np.array([[1e300, 1.0]]), np.arange(1)).toarray()[0, 0])


def test_a_matrix_of_dask_is_computed() -> None:
    array = pytest.importorskip("dask.array", reason="a matrix of dask needs dask")
    table = plain_table()
    values = np.asarray(table.X)
    table.X = array.from_array(values, chunks=(30, GENES))
    np.testing.assert_array_equal(slide_from_anndata(table, "a").counts.toarray(), values)
    assert isinstance(table.X, array.Array)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.array([["a", 1]], dtype=object), r"numeric counts in X, found ndarray of object; convert"),
        (np.array([[1j]]), "found ndarray of complex128"),
        (np.ma.masked_array([[1.0, 2.0]], [[False, True]]), "every entry of X, found masked ones; fill"),
        (np.ones((2, 2, 2)), r"found shape \(2, 2, 2\)"),
    ],
)
def test_tables_that_are_no_counts(table: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        count_matrix("a", "X", table, np.arange(1))


def test_a_table_of_another_shape_than_its_names_is_refused() -> None:
    table = plain_table()
    table.layers["counts"] = table.X
    slide = slide_from_anndata(table, "a", layer="counts")
    assert slide.counts.shape == (SPOTS, GENES)
    assert isinstance(slide.counts, csr_array)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_gears.data import slide_from_anndata
from pyg_gears.data.io.row_names import names_of_rows
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import GENES, both_ways, plain_table


def test_names_of_genes_from_a_column(tmp_path: Path) -> None:
    table = plain_table()
    table.var["symbol"] = [f"Sym {i}" for i in range(GENES)]
    table.var["kind"] = pd.Categorical([f"k{i}" for i in range(GENES)])
    for column, first in (("symbol", "Sym 0"), ("kind", "k0")):
        (slide,), said = both_ways(table, tmp_path, gene_column=column)
        assert (slide.genes[0], len(slide.genes), said) == (first, GENES, "")
        np.testing.assert_array_equal(slide.counts.toarray(), table.X)


def test_a_name_that_is_missing_or_repeats_stays_that_of_the_index(tmp_path: Path) -> None:
    table = plain_table()
    table.var["symbol"] = ["Ptn", "Ptn", None, *(f"S{i}" for i in range(3, GENES))]
    (slide,), said = both_ways(table, tmp_path, gene_column="symbol")
    assert slide.genes[:4] == ("gene0", "gene1", "gene2", "S3")
    assert said.startswith("table: 3 of 25 names in var['symbol'] are missing or repeat; these genes keep")


def test_columns_that_name_no_genes(tmp_path: Path) -> None:
    table = plain_table()
    table.var["biotype"] = "protein_coding"
    with pytest.raises(
        InputError, match=r"one name for each gene in var\['biotype'\], found 25 of 25 missing or repeated"
    ):
        both_ways(table, tmp_path, gene_column="biotype")
    with pytest.raises(InputError, match=r"a column 'bio_type' of var .*did you mean 'biotype'.*with gene_column"):
        both_ways(table, tmp_path, gene_column="bio_type")


def test_a_column_of_the_table_beside_raw(tmp_path: Path) -> None:
    table = plain_table()
    table.raw = table.copy()
    table.raw.var["symbol"] = [f"S{i}" for i in range(GENES)]
    table = table[:, :5].copy()
    (slide,), _ = both_ways(table, tmp_path, gene_column="symbol", layer="raw")
    assert slide.genes == tuple(f"S{i}" for i in range(GENES))
    with pytest.raises(InputError, match=r"a column 'symbol' of var with names of genes, found none; name one"):
        both_ways(table, tmp_path, gene_column="symbol")


def test_repeated_names_are_told_of_a_column_with_unique_ones(tmp_path: Path) -> None:
    table = plain_table()
    table.var["gene_ids"] = [f"ENSG{i:011d}" for i in range(GENES)]
    table.var["genome"] = "mm10"
    table.var["n_cells"] = range(GENES)
    table.var_names = ["Ptn", "Ptn", *(f"S{i}" for i in range(2, GENES))]
    with pytest.raises(
        InputError,
        match=r"unique gene names, found 1 that repeat, for instance Ptn; .*gene_column='gene_ids', or make them unique",
    ):
        both_ways(table, tmp_path)
    (slide,), said = both_ways(table, tmp_path, gene_column="gene_ids")
    assert (slide.genes[1], said) == ("ENSG00000000001", "")
    del table.var["gene_ids"]
    with pytest.raises(InputError, match=r"found 1 that repeat, for instance \['Ptn'\]; make them unique with"):
        both_ways(table, tmp_path)


def test_running_numbers_for_names_are_told_of_a_column_with_names(tmp_path: Path) -> None:
    table = plain_table()
    table.var_names = [str(2 * i) for i in range(GENES)]
    assert both_ways(table, tmp_path)[1] == ""
    table.var["features"] = [f"S{i}" for i in range(GENES)]
    table.var["highly_variable"] = True
    _, said = both_ways(table, tmp_path)
    assert said.startswith(
        "table: genes are named by running numbers (0, 2, 4, ...), so files are matched by the order"
    )
    assert said.endswith("take the names of a column of var with gene_column='features'.")
    assert both_ways(table, tmp_path, gene_column="features")[1] == ""


def test_names_may_be_bytes() -> None:
    assert names_of_rows([b"Sox2", "Sox3", 4]) == ("Sox2", "Sox3", "4")


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "a/b", "a\\b", "two\nlines", "tab\t", "nul\0", "x" * 181, "ä" * 100]
)
def test_names_of_slides_that_no_file_can_bear(name: str) -> None:
    with pytest.raises(
        InputError, match=r"the name of a slide to fit into the name of a file .*NAME=path\.$"
    ) as caught:
        slide_from_anndata(plain_table(), name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "patient 3, left", "ä" * 40, "..a", "1.5", "x" * 180])
def test_names_of_slides_that_a_file_can_bear(name: str) -> None:
    assert slide_from_anndata(plain_table(), name).name == name

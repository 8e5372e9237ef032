from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_gears.data import check_h5ad
from tests.data.io.odd_tables import GENES, both_ways, plain_table

KINDS = ["Gene Expression"] * (GENES - 3) + ["Antibody Capture"] * 2 + ["Negative Control Probe"]


@pytest.mark.parametrize("column", ["feature_types", "feature_type"])
def test_antibodies_beside_genes_are_left_out_with_a_sentence(tmp_path: Path, column: str) -> None:
    table = plain_table()
    table.var[column] = pd.Categorical(KINDS)
    table.var_names = [*table.var_names[:-1], "gene0"]  # an antibody may bear the name of its gene
    (slide,), said = both_ways(table, tmp_path)
    assert said == (
        "table: 3 features that are not gene expression are left out (Antibody Capture, Negative Control Probe)."
    )
    assert slide.genes == tuple(table.var_names[: GENES - 3])
    np.testing.assert_array_equal(slide.counts.toarray(), table.X[:, : GENES - 3])
    with pytest.warns(UserWarning, match="3 features that are not gene expression"):
        assert check_h5ad(tmp_path / "table.h5ad", spatial=False).genes == slide.genes


def test_the_features_of_raw_have_kinds_of_their_own(tmp_path: Path) -> None:
    table = plain_table()
    table.var["feature_types"] = KINDS
    table.raw = table
    table = table[:, ::-1].copy()
    (slide,), said = both_ways(table, tmp_path, layer="raw")
    assert slide.genes == tuple(f"gene{i}" for i in range(GENES - 3))
    assert "3 features" in said


@pytest.mark.parametrize("kinds", [["Gene Expression"] * GENES, ["protein_coding", *["lncRNA"] * (GENES - 1)]])
def test_a_table_that_holds_genes_alone_or_does_not_tell_is_read_whole(tmp_path: Path, kinds: list[str]) -> None:
    table = plain_table()
    table.var["feature_types"] = kinds
    (slide,), said = both_ways(table, tmp_path)
    assert (len(slide.genes), said) == (GENES, "")

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from pyg_gears.errors import InputError
from pyg_gears.lab.benchmark import RivalFile

CELLS = tuple(f"c{i}" for i in range(12))
POS = np.random.default_rng(0).normal(size=(12, 2))


def table(path: Path, **obsm: np.ndarray) -> Path:
    adata = anndata.AnnData(np.ones((12, 3), np.float32), obs=pd.DataFrame(index=list(CELLS[::-1])))
    for key, value in obsm.items():
        adata.obsm[key] = value[::-1]
    adata.write_h5ad(path)
    return path


def test_places_are_matched_by_name_from_both_kinds_of_file(tmp_path: Path) -> None:
    file = table(tmp_path / "tool.h5ad", X_tool=POS, X_pca=np.zeros((12, 5)), spatial_true=POS)
    rival = RivalFile(f"Tool={file}")
    assert rival.name == "Tool"
    np.testing.assert_array_equal(rival.layout(CELLS), POS)
    frame = pd.DataFrame({"x": POS[:, 0], "cluster": ["a"] * 12, "y": POS[:, 1]}, index=list(CELLS))
    frame.iloc[::-1].to_csv(tmp_path / "tool.csv")
    np.testing.assert_allclose(RivalFile(f"Tool={tmp_path / 'tool.csv'}").layout(CELLS), POS, rtol=1e-12)
    frame.rename_axis("cell").iloc[::-1].to_csv(tmp_path / "excel.csv", encoding="utf-8-sig")
    np.testing.assert_allclose(RivalFile(f"Tool={tmp_path / 'excel.csv'}").layout(CELLS), POS, rtol=1e-12)
    frame.to_csv(tmp_path / "tool.tsv", sep="\t")
    swapped = RivalFile(f"Tool={tmp_path / 'tool.tsv'}:y,x").layout(CELLS[:7])
    np.testing.assert_allclose(swapped, POS[:7, ::-1], rtol=1e-12)


def test_cells_that_are_not_placed_have_no_place(tmp_path: Path) -> None:
    values = POS.copy()
    values[3] = np.nan
    rival = RivalFile(f"Tool={table(tmp_path / 'tool.h5ad', X_tool=values)}")
    found = rival.layout((*CELLS, "stranger"))
    assert np.flatnonzero(np.isnan(found).all(axis=1)).tolist() == [3, 12]
    with pytest.raises(InputError, match=r"Tool: expected places of the cells s0, s1, ..., found 0 of 5"):
        rival.layout([f"s{i}" for i in range(5)])


def test_files_that_hold_no_or_several_layouts_are_refused(tmp_path: Path) -> None:
    two = table(tmp_path / "two.h5ad", X_a=POS, X_b=2 * POS)
    with pytest.raises(
        InputError, match=r"T: expected one table of two columns in obsm of .*, found X_a, X_b; name one as"
    ):
        RivalFile(f"T={two}")
    np.testing.assert_array_equal(RivalFile(f"T={two}:X_b").layout(CELLS), 2 * POS)
    with pytest.raises(InputError, match=r"found X_a, X_b .did you mean 'X_[ab]'"):
        RivalFile(f"T={two}:X_")
    with pytest.raises(InputError, match="expected --rival NAME=FILE or NAME=FILE:KEY, found 'no sign'"):
        RivalFile("no sign")
    with pytest.raises(InputError, match=r"expected a layout of T at nowhere.csv, found none; check the path"):
        RivalFile("T=nowhere.csv")
    (tmp_path / "words.csv").write_text("cell,a,b\nc0,x,y\n")
    with pytest.raises(InputError, match=r"T: expected two columns of numbers in .*words.csv, found none"):
        RivalFile(f"T={tmp_path / 'words.csv'}")
    (tmp_path / "broken.csv").write_text('cell,a\n"c0')
    with pytest.raises(InputError, match=r"T: expected a table of cells in .*broken.csv, found"):
        RivalFile(f"T={tmp_path / 'broken.csv'}")
    (tmp_path / "twice.csv").write_text("cell,x,y\nc0,1,2\nc0,1,2\n")
    with pytest.raises(InputError, match=r"T: expected every cell once, found 1 that repeat, for instance \['c0'\]"):
        RivalFile(f"T={tmp_path / 'twice.csv'}")

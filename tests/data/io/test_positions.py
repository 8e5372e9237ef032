from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from pyg_gears.data import slide_from_anndata
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import SPOTS, both_ways, plain_table

WHERE = np.random.default_rng(5).uniform(0, 99, (SPOTS, 2)).round(2)


def with_positions(change: Callable[[anndata.AnnData], None]) -> anndata.AnnData:
    table = plain_table()
    del table.obsm["spatial"]
    change(table)
    return table


def obsm(values: object, key: str = "spatial") -> Callable[[anndata.AnnData], None]:
    return lambda table: table.obsm.__setitem__(key, values)


def columns(x: str, y: str, values: object = WHERE) -> Callable[[anndata.AnnData], None]:
    def change(table: anndata.AnnData) -> None:
        frame = pd.DataFrame(values)
        table.obs[x], table.obs[y] = frame[0].array, frame[1].array

    return change


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (obsm(WHERE.astype(str)), None),
        (obsm(WHERE.astype(str).astype(object)), None),
        (obsm(np.char.add(" ", WHERE.astype(str)).astype(object)), None),
        (obsm(pd.DataFrame(WHERE.astype(str), index=[f"spot{i}" for i in range(SPOTS)], columns=["a", "b"])), None),
        (obsm(WHERE, "X_spatial"), "X_spatial"),
        (columns("x", "y"), "x,y"),
        (columns("array_row", "array_col"), "array_row, array_col"),
        (columns("x", "y", WHERE.astype(str)), "x,y"),
        (columns("x", "y", pd.DataFrame(WHERE * 100).round().astype("Int64")), "x,y"),
        (columns("x", "y", pd.DataFrame(WHERE.astype(str)).astype("category")), "x,y"),
    ],
)
def test_positions_of_any_kind_and_place(tmp_path: Path, change: Callable, key: str | None) -> None:
    choices = {} if key is None else {"spatial_key": key}
    (slide,), said = both_ways(with_positions(change), tmp_path, **choices)
    np.testing.assert_allclose(slide.pos / np.abs(slide.pos).max(), WHERE / WHERE.max())
    assert said == ""


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_whole_and_single_precision_positions(tmp_path: Path, kind: type) -> None:
    values = (WHERE * 100).astype(kind)
    (slide,), _ = both_ways(with_positions(obsm(values)), tmp_path)
    np.testing.assert_array_equal(slide.pos, values)


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        (obsm(WHERE, "X_spatial"), r"name them with spatial_key='X_spatial'\.$"),
        (obsm(WHERE, "spatial_coords"), r"spatial_key='spatial_coords'\.$"),
        (columns("x", "y"), r"spatial_key='x,y'\.$"),
        (columns("x_centroid", "y_centroid"), r"spatial_key='x_centroid,y_centroid'\.$"),
        (
            columns("pxl_row_in_fullres", "pxl_col_in_fullres"),
            r"spatial_key='pxl_col_in_fullres,pxl_row_in_fullres'\.$",
        ),
        (columns("X", "Y"), r"spatial_key='X,Y'\.$"),
        (obsm(np.ones((SPOTS, 7)), "X_spatial_pca"), r"add them \(spots x 2\)"),
        (lambda table: None, r"add them \(spots x 2\), or name them with spatial_key\.$"),
    ],
)
def test_positions_elsewhere_are_named_but_not_taken(tmp_path: Path, change: Callable, remedy: str) -> None:
    with pytest.raises(InputError, match=r"expected positions in obsm\['spatial'\], found .*" + remedy):
        both_ways(with_positions(change), tmp_path)


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (
            obsm(np.array([["left", "1"]] * SPOTS, dtype=object)),
            None,
            "found text or objects that are no numbers; convert",
        ),
        (obsm(np.array([[True, False]] * SPOTS)), None, "numeric positions .*found bool"),
        (obsm(WHERE * 1j), None, "numeric positions .*found complex128"),
        (obsm(np.column_stack([WHERE, WHERE])), None, "two-dimensional positions .*found 4 columns"),
        (obsm(WHERE * np.nan), None, "30 spots with a position, found 0 of 90, the others NaN; check the positions"),
        (obsm(np.where(WHERE[3] == WHERE, np.inf, WHERE)), None, "found NaN or infinite ones in 1 of 90 spots"),
        (obsm(WHERE * 1e160), None, r"between 0\.0001 and 1e\+12 in any unit, found spots .* apart at up to .*e\+16"),
        (obsm(WHERE * 1e-10), None, r"between 0\.0001 and 1e\+12 in any unit, found spots .*e-0.* apart at up to"),
        (obsm((WHERE - 50) * 3e306), None, "shift or rescale"),
        (obsm(WHERE * 1e-200), None, "shift or rescale"),
        (obsm(WHERE + 1e12), None, "shift or rescale"),
        (obsm(WHERE[:, :1] * [2, 3] + 7), None, "found all spots on one line"),
        (obsm(WHERE * [1, 0]), None, "found all spots on one line"),
        (obsm(WHERE * 0 + 4), None, "found all at one"),
        (columns("x", "y"), "x,z", "in obsm.* or two columns of obs like 'x,y', found obsm .* and obs x, y; name"),
        (columns("x", "y"), "x", "two columns of obs"),
        (obsm(WHERE), "spatail", "did you mean 'spatial'"),
    ],
)
def test_positions_that_are_none(tmp_path: Path, change: Callable, key: str | None, message: str) -> None:
    choices = {} if key is None else {"spatial_key": key}
    with pytest.raises(InputError, match=message):
        both_ways(with_positions(change), tmp_path, **choices)


def test_spots_without_a_position_are_left_out_and_counted(tmp_path: Path) -> None:
    where = WHERE.copy()
    where[3], where[7, 0], where[9, 1] = np.nan, np.nan, np.nan
    kept = np.setdiff1d(np.arange(SPOTS), (3, 7, 9))
    text = np.where(np.isnan(where), "nan", where.astype(str)).astype(object)
    for change, key in (
        (obsm(where), "spatial"),
        (obsm(text), "spatial"),
        (columns("x", "y", where), "x,y"),
    ):
        (slide,), said = both_ways(with_positions(change), tmp_path, spatial_key=key)
        assert said == "table: 3 of 90 spots have no position (NaN) and are left out."
        assert slide.cells == tuple(f"spot{row}" for row in kept)
        np.testing.assert_array_equal(slide.pos, where[kept])
        np.testing.assert_array_equal(slide.counts.toarray(), plain_table().X[kept])


def test_too_few_spots_with_a_position_are_refused(tmp_path: Path) -> None:
    where = np.where(np.arange(SPOTS)[:, None] < 29, WHERE, np.nan)
    with pytest.raises(InputError, match="at least 30 spots with a position, found 29 of 90, the others NaN; check"):
        both_ways(with_positions(obsm(where)), tmp_path)


def test_masked_positions_are_missing_ones() -> None:
    table = with_positions(obsm(np.ma.masked_array(WHERE, WHERE.min() == WHERE)))
    with pytest.warns(UserWarning, match="a: 1 of 90 spots have no position"):
        assert len(slide_from_anndata(table, "a")) == SPOTS - 1

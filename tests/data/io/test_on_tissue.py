from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyg_gears.data import cells_from_anndata
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import SPOTS, both_ways, plain_table

ON = np.arange(SPOTS) % 5 != 0


@pytest.mark.parametrize(
    "values",
    [
        ON.astype(int),
        ON,
        ON.astype(float),
        np.where(ON, "1", "0"),
        np.where(ON, "True", "False"),
        pd.Categorical(np.where(ON, 1, 0)),
        pd.Categorical(np.where(ON, "yes", "no")),
        pd.array(ON, dtype="boolean"),
        pd.array(ON.astype(int), dtype="Int64"),
    ],
)
@pytest.mark.parametrize("column", ["in_tissue", "in.tissue"])
def test_spots_off_the_tissue_are_left_out_and_counted(tmp_path: Path, values: object, column: str) -> None:
    table = plain_table()
    table.obs[column] = values
    table.obsm["spatial"][~ON] = np.nan  # they need no place
    (slide,), said = both_ways(table, tmp_path)
    assert said == f"table: 18 of 90 spots lie off the tissue (obs['{column}'] is 0) and are left out."
    assert slide.cells == tuple(f"spot{i}" for i in np.flatnonzero(ON))
    np.testing.assert_array_equal(slide.counts.toarray(), table.X[ON])
    np.testing.assert_array_equal(slide.pos, table.obsm["spatial"][ON])


def test_all_on_the_tissue_is_nothing_to_speak_of_and_all_off_is_refused(tmp_path: Path) -> None:
    table = plain_table()
    table.obs["in_tissue"] = 1
    assert both_ways(table, tmp_path)[1] == ""
    table.obs["in_tissue"] = 0
    with pytest.raises(InputError, match=r"spots on the tissue, found obs\['in_tissue'\] to be 0 for all 90; correct"):
        both_ways(table, tmp_path)
    assert len(cells_from_anndata(table, "cells")) == SPOTS
    table.obs["in_tissue"] = np.where(ON, "1", "perhaps")
    with pytest.raises(InputError, match=r"0 or 1 in obs\['in_tissue'\], found 'perhaps'; write 1"):
        both_ways(table, tmp_path)


def test_too_few_left_is_refused(tmp_path: Path) -> None:
    table = plain_table()
    table.obs["in_tissue"] = (np.arange(SPOTS) < 20).astype(int)
    with pytest.raises(InputError, match="at least 30 spots, found 20"):
        both_ways(table, tmp_path)


def test_spots_of_which_nothing_is_said_are_kept(tmp_path: Path) -> None:
    table = plain_table()
    table.obs["in_tissue"] = np.where(ON, 1.0, np.nan)
    (slide,), said = both_ways(table, tmp_path)
    assert len(slide) == SPOTS
    assert said == "table: obs['in_tissue'] has no value for 18 of 90 spots; these are kept."


def test_sections_are_told_apart_after_the_tissue(tmp_path: Path) -> None:
    table = plain_table(120)
    on = np.arange(120) % 4 != 0
    table.obs["in_tissue"], table.obs["slide"] = on.astype(int), np.where(np.arange(120) < 60, "a", "b")
    slides, _ = both_ways(table, tmp_path, section_key="slide")
    assert [len(slide) for slide in slides] == [45, 45]
    np.testing.assert_array_equal(slides[1].counts.toarray(), table.X[60:][on[60:]])

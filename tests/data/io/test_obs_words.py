from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from pyg_gears.data import read_slides
from pyg_gears.data.io.obs_words import obs_words, plain_name, rows_by_word
from tests.data.io.odd_tables import GENES, plain_table


def test_values_of_any_type_become_text_and_missing_ones_none() -> None:
    for column, expected in (
        (["a", " b ", None, "nan", ""], ["a", "b", None, None, None]),
        (pd.Categorical(["x", None, "y"]), ["x", None, "y"]),
        (np.array([b"x", b"y"]), ["x", "y"]),
        (pd.array([1, None], dtype="Int64"), ["1", None]),
        (np.array([1.5, np.nan]), ["1.5", None]),
        ([True, False], ["True", "False"]),
    ):
        assert obs_words(column).tolist() == expected
    assert plain_name("Orig.Ident_2") == "origident"


def test_rows_of_words() -> None:
    rows = rows_by_word(np.array(["b", None, "a", "b", None], dtype=object))
    assert {word: part.tolist() for word, part in rows.items()} == {"b": [0, 3], "a": [2]}
    assert list(rows) == ["b", "a"]
    assert rows_by_word(np.array([None, None], dtype=object)) == {}


def old_categories(path: Path, table: str, column: str, values: list[str]) -> None:
    """Store a column as anndata 0.7 did: codes, and a reference to their categories."""
    categories = sorted(set(values))
    with h5py.File(path, "r+") as file:
        group = file[table]
        group.attrs["encoding-version"] = "0.1.0"
        stored = group.require_group("__categories").create_dataset(column, data=categories, dtype=h5py.string_dtype())
        codes = group.create_dataset(
            column, data=np.array([categories.index(value) for value in values], dtype=np.int8)
        )
        codes.attrs["categories"] = stored.ref
        group.attrs["column-order"] = np.array([*group.attrs["column-order"], column], dtype=h5py.string_dtype())


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
def test_categories_of_older_files_are_read_as_their_words(tmp_path: Path) -> None:
    path = tmp_path / "old.h5ad"
    plain_table().write_h5ad(path)
    old_categories(path, "obs", "slide", ["left" if i < 45 else "right" for i in range(90)])
    old_categories(path, "obs", "in_tissue", ["1"] * 90)
    old_categories(path, "var", "symbol", [f"S{i}" for i in range(GENES)])
    slides = read_slides(path, section_key="slide", gene_column="symbol")
    assert [slide.name for slide in slides] == ["old_left", "old_right"]
    assert [len(slide) for slide in slides] == [45, 45]
    assert slides[0].genes == tuple(f"S{i}" for i in range(GENES))

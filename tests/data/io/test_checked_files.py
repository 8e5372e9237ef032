from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyg_gears.data import ReadOptions
from pyg_gears.data.io.checked_files import checked_files, read_files
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import plain_table


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """A file with a layer of counts, positions and names of its own, and one with none of them."""
    special, plain = plain_table(seed=1), plain_table(seed=2)
    special.layers["umis"] = special.X + 1
    special.var["symbol"] = [f"S{i}" for i in range(special.n_vars)]
    special.obsm["where"] = special.obsm["spatial"] * 2
    special.obs["part"] = np.arange(90) % 2
    for name, table in (("special", special), ("plain", plain)):
        table.write_h5ad(tmp_path / f"{name}.h5ad")
    return [str(tmp_path / "special.h5ad"), str(tmp_path / "plain.h5ad")]


OPTIONS = ReadOptions(layer="umis", section_key="part", spatial_key="where", gene_column="symbol")


def test_a_file_without_what_an_option_names_is_read_without_it(paths: list[str]) -> None:
    with pytest.warns(UserWarning, match="there is no .* for --.*, which other files have") as heard:
        slides, cells = read_files([paths[0], f"b={paths[1]}"], paths[1], OPTIONS)
    assert len(heard) == 6  # four of the slide, two of the cells
    assert [slide.name for slide in slides] == ["special_0", "special_1", "b"]
    assert cells is not None
    assert (slides[0].genes[0], slides[2].genes[0], cells.genes[0]) == ("S0", "gene0", "gene0")
    assert slides[0].pos is not None
    assert slides[0].pos.max() > 600
    assert slides[0].counts.toarray().min() == 1
    assert cells.counts.toarray().min() == 0


@pytest.mark.parametrize("field", ["layer", "section_key", "spatial_key", "gene_column"])
def test_what_no_file_has_is_refused(paths: list[str], field: str) -> None:
    with pytest.raises(InputError, match=f"'elsewhere'.*with {field}"):
        read_files(paths, options=ReadOptions(**{field: "elsewhere"}))


def test_cells_are_asked_for_neither_sections_nor_positions(paths: list[str]) -> None:
    slides, cells = read_files(paths[:1], paths[0], OPTIONS)
    assert [slide.name for slide in slides] == ["special_0", "special_1"]
    assert cells is not None
    assert len(cells) == 90
    with pytest.raises(InputError, match="a column 'part' of obs"):
        read_files(paths[1:], paths[0], ReadOptions(section_key="part"))


def test_names_are_known_before_counts_are_read(paths: list[str]) -> None:
    with checked_files(paths[:1], options=ReadOptions(section_key="part")) as files:
        assert files.names == ("special_0", "special_1")
        assert files.slides[0].genes[0] == "gene0"
        assert files.cells is None
        assert [slide.name for slide in files().slides] == ["special_0", "special_1"]

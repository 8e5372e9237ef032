from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from pyg_gears.data import cells_from_anndata, check_h5ad, read_slide
from pyg_gears.errors import InputError
from tests.data.io.odd_tables import SPOTS, both_ways, plain_table


def sections(column: str = "library_id", *, apart: float = 0.0, parts: int = 3) -> anndata.AnnData:
    """Sections of 30 spots, mixed, each shifted by so much from the one before."""
    table = plain_table(30 * parts)
    values = np.arange(30 * parts) % parts
    table.obs[column] = np.array([f"part {value}" for value in values])
    table.obsm["spatial"] = table.obsm["spatial"] + np.stack([apart * values, 0 * values], axis=1)
    return table


@pytest.mark.parametrize(
    "column", ["library_id", "Sample", "section", "slice.id", "batch", "orig.ident", "fov", "patient", "Bregma"]
)
def test_sections_over_one_another_are_refused_by_name(tmp_path: Path, column: str) -> None:
    with pytest.raises(InputError, match=rf"found 3 sections in obs\['{column}'\] .*section_key='{column}' .in Python"):
        both_ways(sections(column), tmp_path)
    (slide,), said = both_ways(sections(column), tmp_path, section_key="none")
    assert (len(slide), slide.name, said) == (90, "table", "")


@pytest.mark.parametrize("column", ["cell_type", "region", "cluster"])
def test_other_columns_are_no_sections(tmp_path: Path, column: str) -> None:
    assert both_ways(sections(column), tmp_path)[1] == ""


@pytest.mark.filterwarnings("ignore:Forward slashes")
def test_columns_with_a_slash_in_their_names_are_read_in_a_file_as_in_memory(tmp_path: Path) -> None:
    table = sections("sample/donor")
    table.obs[["x/um", "y/um"]] = table.obsm.pop("spatial")
    table.var["symbol/new"] = [f"symbol{i}" for i in range(table.n_vars)]
    keys = {"spatial_key": "x/um,y/um", "gene_column": "symbol/new"}
    # The file has a group obs/sample, whose name is that of a column of sections.
    assert len(both_ways(table, tmp_path, **keys)[0]) == 1
    slides, _ = both_ways(table, tmp_path, section_key="sample/donor", **keys)
    assert [(slide.name, len(slide), slide.genes[0]) for slide in slides] == [
        (f"table_part_{part}", 30, "symbol0") for part in range(3)
    ]
    with pytest.raises(InputError, match=r"found symbol/new .*; name"):
        both_ways(table, tmp_path, spatial_key="x/um,y/um", gene_column="symbol")


def test_a_column_of_spatialdata_that_names_regions_is_one_of_sections(tmp_path: Path) -> None:
    table = sections("region")
    table.uns["spatialdata_attrs"] = {"region": ["a", "b"], "region_key": "region", "instance_key": "id"}
    with pytest.raises(InputError, match=r"3 sections in obs\['region'\]"):
        both_ways(table, tmp_path)


def test_sections_side_by_side_are_one_slide_with_a_warning_and_fields_of_view_without(tmp_path: Path) -> None:
    (slide,), said = both_ways(sections("sample", apart=600), tmp_path)
    assert len(slide) == 90
    assert "obs['sample'] has several values" in said
    assert "section_key='sample'" in said
    assert both_ways(sections("fov", apart=600), tmp_path)[1] == ""


def test_a_column_of_one_value_or_of_one_for_each_spot_is_none_of_sections(tmp_path: Path) -> None:
    table = plain_table()
    table.obs["section"] = "A1"
    table.obs["sample_id"] = [f"s{i}" for i in range(SPOTS)]
    assert both_ways(table, tmp_path)[1] == ""


def test_a_few_spots_of_another_sample_are_heard_of(tmp_path: Path) -> None:
    table = plain_table()
    table.obs["sample"] = ["A"] * 80 + ["B"] * 10
    (slide,), said = both_ways(table, tmp_path)
    assert len(slide) == SPOTS
    assert "obs['sample'] has several values" in said


def test_every_section_becomes_a_slide(tmp_path: Path) -> None:
    table = sections()
    slides, said = both_ways(table, tmp_path, section_key="library_id")
    assert said == ""
    assert [slide.name for slide in slides] == ["table_part_0", "table_part_1", "table_part_2"]
    for number, slide in enumerate(slides):
        rows = np.arange(number, 90, 3)
        assert slide.cells == tuple(f"spot{i}" for i in rows)
        np.testing.assert_array_equal(slide.counts.toarray(), table.X[rows])
        np.testing.assert_array_equal(slide.pos, table.obsm["spatial"][rows])
    path = tmp_path / "table.h5ad"
    summary = check_h5ad(path, spatial=True, section_key="library_id")
    assert summary.slides == ("table_part_0", "table_part_1", "table_part_2")
    with pytest.raises(InputError, match=r"one section, found 3 \(table_part_0, .*read_slides"):
        read_slide(path, section_key="library_id")
    assert len(cells_from_anndata(table, "cells")) == 90


def test_names_that_repeat_only_between_sections_and_values_that_look_alike_as_names(tmp_path: Path) -> None:
    table = sections(parts=2)
    table.obs_names = [f"spot{i // 2}" for i in range(60)]
    table.obs["library_id"] = pd.Categorical(["a/b" if i % 2 else "a b" for i in range(60)])
    slides, _ = both_ways(table, tmp_path, section_key="library_id")
    assert [slide.name for slide in slides] == ["table_a_b", "table_a_b_"]
    assert slides[0].cells == slides[1].cells


def test_small_sections_and_spots_of_none_are_left_out_with_their_numbers(tmp_path: Path) -> None:
    table = plain_table()
    table.obs["slice"] = [1.5] * 40 + [2.5] * 35 + [3.5] * 8 + [np.nan] * 7
    slides, said = both_ways(table, tmp_path, section_key="slice")
    assert [(slide.name, len(slide)) for slide in slides] == [("table_1.5", 40), ("table_2.5", 35)]
    assert "1 sections of obs['slice'] have fewer than 30 spots and are left out: 3.5 (8)" in said
    assert "no value for 7 of 90 spots, which are left out" in said
    table.obs["slice"] = [f"s{i % 9}" for i in range(90)]
    with pytest.raises(
        InputError, match=r"at least 30 spots in obs\['slice'\], found s0 \(10\), s1 \(10\), s2 \(10\); name"
    ):
        both_ways(table, tmp_path, section_key="slice")
    with pytest.raises(InputError, match=r"a column 'slices' of obs .*did you mean 'slice'.*with section_key, or none"):
        both_ways(table, tmp_path, section_key="slices")


def test_one_value_keeps_the_name_of_the_file(tmp_path: Path) -> None:
    table = plain_table()
    table.obs["section"] = "A1"
    (slide,), _ = both_ways(table, tmp_path, section_key="section")
    assert slide.name == "table"


def test_spots_at_the_places_of_others_are_several_sections(tmp_path: Path) -> None:
    table = plain_table()
    table.obsm["spatial"][45:] = table.obsm["spatial"][:45]
    with pytest.raises(
        InputError, match=r"one section, found 50% of the spots at the very place of another.*section_key"
    ):
        both_ways(table, tmp_path)
    assert len(both_ways(table, tmp_path, section_key="none")[0][0]) == SPOTS
    table.obsm["spatial"][52:] += 1000
    assert "8% of the spots at the very place of another" in both_ways(table, tmp_path)[1]
    table.obsm["spatial"][47:] += 1000
    assert both_ways(table, tmp_path)[1] == ""


def test_several_libraries_that_no_column_tells_apart_are_heard_of(tmp_path: Path) -> None:
    table = plain_table()
    table.uns["spatial"] = {"A": {"scalefactors": {"spot": 1.0}}, "B": {"scalefactors": {"spot": 1.0}}}
    assert "uns['spatial'] holds 2 libraries" in both_ways(table, tmp_path)[1]
    table.obs["library_id"] = "A"  # the part of one section of it
    assert both_ways(table, tmp_path)[1] == ""


def joined(names: object, shift: float = 0.0) -> anndata.AnnData:
    """Two sections of 45 spots, at places of their own, of which only the names tell."""
    table = plain_table()
    table.obs_names = names
    table.obsm["spatial"][45:, 0] += shift
    return table


ENDS = {
    "joined by anndata": [f"AAC{i % 45}-1-{i // 45}" for i in range(90)],
    "several lanes": [f"AAC{i % 45}-{1 + i // 45}" for i in range(90)],
    "the first without an end": [f"AAC{i % 45}" + "_right" * (i // 45) for i in range(90)],
    "in full": [f"AAC{i % 45}" for i in range(90)],
}


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_the_same_names_over_one_another_are_several_sections(tmp_path: Path, kind: str) -> None:
    with pytest.raises(
        InputError, match=r"the same spots 2 times over one another by their names.*section_key='none'\.$"
    ):
        both_ways(joined(ENDS[kind]), tmp_path)


def test_other_names_with_ends_are_no_sections(tmp_path: Path) -> None:
    assert both_ways(joined(ENDS["several lanes"], shift=600), tmp_path)[1] == ""
    assert both_ways(joined([f"spot_{i}" for i in range(90)]), tmp_path)[1] == ""
    assert both_ways(joined([f"AAC{i}-1" for i in range(90)]), tmp_path)[1] == ""
    table = plain_table(900)  # rows and columns of a grid
    grid = np.stack(np.meshgrid(np.arange(30), np.arange(30)), axis=-1).reshape(-1, 2)
    table.obs_names, table.obsm["spatial"] = [f"{x}_{y}" for x, y in grid], grid
    assert both_ways(table, tmp_path)[1] == ""


def test_a_section_of_which_no_spot_is_read_is_named(tmp_path: Path) -> None:
    table = sections()
    table.obsm["spatial"][(table.obs["library_id"] == "part 1").to_numpy()] = np.nan
    slides, said = both_ways(table, tmp_path, section_key="library_id")
    assert [slide.name for slide in slides] == ["table_part_0", "table_part_2"]
    assert "table: 30 of 90 spots have no position (NaN) and are left out." in said
    assert "1 sections of obs['library_id'] have fewer than 30 spots and are left out: part 1 (0)." in said

from __future__ import annotations

import gzip
import os
import shutil
import warnings
import zipfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas
import pytest
from scipy.sparse import csr_array, csr_matrix

from pyg_gears.data import read_cells, read_slide, write_layout
from pyg_gears.data.io.inspection.zarr_listing import Listing, list_store
from pyg_gears.data.io.open_source import open_source
from pyg_gears.errors import InputError

N, G = 40, 6
COUNTS = np.random.default_rng(0).poisson(2.0, (N, G)).astype(np.float32)


def table() -> anndata.AnnData:
    adata = anndata.AnnData(csr_matrix(COUNTS))
    adata.obsm["spatial"] = np.random.default_rng(1).normal(size=(N, 2))
    adata.obs["type"] = pandas.Categorical(["a", "b"] * (N // 2))
    adata.layers["dense"] = COUNTS
    adata.uns["notes"] = {"key": "value"}
    return adata


def store(path: Path, version: int = 3, adata: anndata.AnnData | None = None) -> Path:
    with warnings.catch_warnings(), anndata.settings.override(zarr_write_format=version):
        warnings.simplefilter("ignore")  # about defaults of the next release
        (table() if adata is None else adata).write_zarr(path)
    return path


def zipped(path: Path, top: str = "") -> Path:
    with zipfile.ZipFile(f"{path}.zip", "w") as archive:
        for file in sorted(path.rglob("*")):
            archive.write(file, f"{top}{file.relative_to(path)}")
    return Path(f"{path}.zip")


def spatialdata(path: Path, version: int = 3, tables: tuple[str, ...] = ("table",)) -> Path:
    """A store as spatialdata lays it out, with an image that must not be read."""
    import zarr

    root = zarr.open_group(path, mode="w", zarr_format=version, attributes={"spatialdata_attrs": {"version": "0.2"}})
    for element in ("images", "shapes", "tables"):
        root.create_group(element)
    adata = table()
    adata.obs["region"] = pandas.Categorical(["section"] * N)
    adata.uns["spatialdata_attrs"] = {"region": "section", "region_key": "region", "instance_key": "type"}
    for name in tables:
        store(path / "tables" / name, version, adata)
    (path / "images" / "link").symlink_to("/etc")
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_zarr_reads_like_h5ad(version: int, tmp_path: Path) -> None:
    folder = store(tmp_path / "section.zarr", version)
    table().write_h5ad(tmp_path / "section.h5ad")
    expected = read_slide(tmp_path / "section.h5ad")
    inside = zipped(folder, "section.zarr/")
    slides = [read_slide(folder), read_slide(inside)]
    slides.append(read_slide(zipped(folder)))
    for slide in slides:
        assert (slide.name, slide.genes, slide.cells) == ("section", expected.genes, expected.cells)
        np.testing.assert_array_equal(slide.pos, expected.pos)
        np.testing.assert_array_equal(slide.counts.toarray(), COUNTS)
    for path in (folder, inside):
        with open_source(path) as source:
            assert source.has("layers/dense")
            assert not source.has("raw")
            assert source.shape("layers/dense") == source.shape("X") == (N, G)
            assert source.keys("obs") == ("type",)
            assert source.keys("nowhere") == ()
            whole = source.to_anndata()
        assert whole.uns["notes"]["key"] == "value"
        np.testing.assert_array_equal(whole.layers["dense"], COUNTS)


@pytest.mark.parametrize("version", [2, 3])
def test_the_table_of_a_spatialdata_store(version: int, tmp_path: Path) -> None:
    path = spatialdata(tmp_path / "mouse.zarr", version)
    for given in (path, path / "tables" / "table"):
        slide = read_slide(given)
        assert slide.name == "mouse"
        np.testing.assert_array_equal(slide.counts.toarray(), COUNTS)


def test_spatialdata_stores_without_one_table(tmp_path: Path) -> None:
    several = spatialdata(tmp_path / "several.zarr", tables=("cells", "bins"))
    with pytest.raises(InputError, match=r"expected one table in .*tables, found bins, cells; name one by its path"):
        read_slide(several)
    assert len(read_slide(several / "tables" / "cells")) == N
    with pytest.raises(InputError, match=r"expected one table in .*tables, found none; write the counts"):
        read_slide(spatialdata(tmp_path / "none.zarr", tables=()))
    images = spatialdata(tmp_path / "images.zarr")
    shutil.rmtree(images / "tables")
    with pytest.raises(InputError, match="found zarr without obs and without tables"):
        read_slide(images)
    linked = spatialdata(tmp_path / "linked.zarr")
    shutil.rmtree(linked / "tables" / "table")
    (linked / "tables" / "table").symlink_to(store(tmp_path / "other.zarr"))
    with pytest.raises(InputError, match=r"expected the table inside of .*, found a link that leads out of it"):
        read_slide(linked)


@pytest.mark.parametrize("top", ["", "section.zarr/"])
def test_a_spatialdata_store_in_an_archive(top: str, tmp_path: Path) -> None:
    folder = spatialdata(tmp_path / "section.zarr")
    (folder / "images" / "link").unlink()
    with pytest.raises(InputError, match=r"archive .*, found a SpatialData store; unpack it and pass the folder\."):
        read_slide(zipped(folder, top))


@pytest.mark.parametrize("top", ["", "cells.zarr/"])
def test_an_archive_is_listed_once(top: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, listed = zipped(store(tmp_path / "cells.zarr"), top), []

    def count(archive: Path) -> Listing:
        listed.append(archive)
        return list_store(archive)

    monkeypatch.setattr("pyg_gears.data.io.inspection.zarr_listing.list_store", count)
    assert len(read_cells(path)) == N
    assert listed == [path]  # the inspection, a process of its own, lists it for itself


def test_positions_that_lie_in_shapes_alone(tmp_path: Path) -> None:
    path = spatialdata(tmp_path / "mouse.zarr")
    shutil.rmtree(path / "tables" / "table" / "obsm" / "spatial")
    with pytest.raises(
        InputError, match=r"expected positions in obsm\['spatial'\], found none; .*spatialdata.get_centroids"
    ):
        read_slide(path)


def test_stores_without_anndata(tmp_path: Path) -> None:
    import zarr

    zarr.open_group(tmp_path / "cells.zarr", mode="w").create_group("obs")
    with pytest.raises(InputError, match=r"expected an AnnData file at .*, found zarr without var"):
        read_cells(tmp_path / "cells.zarr")


def test_what_a_store_says_of_itself_elsewhere_is_not_read(tmp_path: Path) -> None:
    """Consolidated metadata that contradicts the elements."""
    path = store(tmp_path / "cells.zarr", 3)
    root = path / "zarr.json"
    root.write_text(root.read_text().replace(f'"shape": [\n        {N}', '"shape": [\n        99'))
    np.testing.assert_array_equal(read_cells(path).counts.toarray(), COUNTS)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("counts.csv", "anndata.io.read_csv"),
        ("matrix.mtx", "pass the folder with matrix.mtx"),
        ("object.RDS", "zellkonverter"),
        ("cells.h5ad.gz", "unpack it first"),
        ("cells.zip", "unpack it first"),
        ("table.xlsx", "save the sheet as csv"),
        ("table.parquet", "with pandas"),
        ("cells", "write it with anndata's write_h5ad"),
    ],
)
def test_other_formats_are_refused_with_the_way_to_convert_them(name: str, remedy: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("anything")
    with pytest.raises(InputError, match=f"found a file of another format; .*{remedy}"):
        read_cells(tmp_path / name)


def test_a_packed_file_that_has_lost_its_ending(tmp_path: Path) -> None:
    (tmp_path / "cells.h5ad").write_bytes(gzip.compress(b"anything"))
    with pytest.raises(InputError, match="found a file of another format; unpack it first"):
        read_cells(tmp_path / "cells.h5ad")


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "cells.h5ad").touch()
    with pytest.raises(
        InputError, match=r"expected an .h5ad file at .*, found an empty file; copy or download it again"
    ):
        read_cells(tmp_path / "cells.h5ad")


def test_folders_and_pipes_that_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"expected an .h5ad file at .*, a folder of Space Ranger\), found a folder of none of these"
    ):
        read_cells(tmp_path)
    (tmp_path / "GSM1_features.tsv.gz").touch()
    (tmp_path / "GSM1_matrix.mtx.gz").touch()
    with pytest.raises(
        InputError, match=r"found a folder with GSM1_features.tsv.gz; rename it to features.tsv.gz, and"
    ):
        read_cells(tmp_path)
    os.mkfifo(tmp_path / "pipe.h5ad")
    with pytest.raises(InputError, match="found nothing"):
        read_cells(tmp_path / "pipe.h5ad")
    with pytest.raises(InputError, match=r"found a folder with pipe.h5ad; pass the files"):
        read_cells(tmp_path)


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table().write_h5ad(tmp_path / "cells.h5ad")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # permission bits do not stop root
    with pytest.raises(InputError, match=r"a file that may be read at .*, found one without that permission; change"):
        read_cells(tmp_path / "cells.h5ad")


def test_the_content_tells_the_format_and_not_the_name(tmp_path: Path) -> None:
    table().write_h5ad(tmp_path / "cells.h5")
    assert len(read_cells(tmp_path / "cells.h5")) == N
    shutil.copy(tmp_path / "cells.h5", tmp_path / "cells.csv")
    assert len(read_cells(tmp_path / "cells.csv")) == N


def test_a_layout_of_a_store(tmp_path: Path) -> None:
    parts = {"pos": np.ones((N, 2)), "confidence": np.ones(N), "distances": csr_array(np.eye(N)), "info": {}}
    write_layout(tmp_path / "layout.h5ad", store(tmp_path / "cells.zarr"), **parts)
    layout = anndata.read_h5ad(tmp_path / "layout.h5ad")
    assert layout.uns["notes"]["key"] == "value"
    np.testing.assert_array_equal(layout.obsm["X_gears"], parts["pos"])


def test_damage_is_refused_when_a_layout_is_written_too(tmp_path: Path) -> None:
    table().write_h5ad(tmp_path / "cells.h5ad")
    with h5py.File(tmp_path / "cells.h5ad", "r+") as file:
        file["uns"].attrs["encoding-type"] = "evil"
    parts = {"pos": np.ones((N, 2)), "confidence": np.ones(N), "distances": csr_array(np.eye(N)), "info": {}}
    with pytest.raises(InputError, match="uns has the unknown encoding evil"):
        write_layout(tmp_path / "layout.h5ad", tmp_path / "cells.h5ad", **parts)
    assert not (tmp_path / "layout.h5ad").exists()


def test_a_file_larger_than_memory_is_not_read_whole(tmp_path: Path, monkeypatch) -> None:
    table().write_h5ad(tmp_path / "section.h5ad")
    monkeypatch.setattr("pyg_gears.data.io.stored_source.available_memory", lambda: 1000)
    for path in (tmp_path / "section.h5ad", store(tmp_path / "section.zarr")):
        assert len(read_cells(path)) == N
        with (
            open_source(path) as source,
            pytest.raises(
                InputError, match=r"expected a table that fits into memory in .*section.*, found 0\.0 GiB where"
            ),
        ):
            source.to_anndata()

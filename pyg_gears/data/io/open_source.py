"""``open_source``: the table at a path, in whatever format it is."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyg_gears.data.io.anndata_source import AnnDataSource
from pyg_gears.data.io.default_name import default_name
from pyg_gears.data.io.inspection import inspect_file
from pyg_gears.data.io.open_h5ad import open_h5ad
from pyg_gears.data.io.open_zarr import is_zarr, open_zarr
from pyg_gears.data.io.other_folders import other_folder
from pyg_gears.data.io.source import Source
from pyg_gears.data.io.space_ranger import ranger_folder, read_ranger
from pyg_gears.data.io.stored_source import StoredSource
from pyg_gears.data.io.tenx_folder import is_tenx_folder, read_tenx_folder
from pyg_gears.data.io.tenx_matrix import read_tenx
from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData

_OR = " (or a 10x .h5 file, a zarr store, a folder of Space Ranger)"
# How formats that are not read become AnnData, by what a path ends with.
_CONVERSIONS = {
    (".csv", ".tsv", ".txt"): "read it with anndata.io.read_csv or read_text and write_h5ad",
    (".mtx", ".mtx.gz"): "pass the folder with matrix.mtx, barcodes.tsv and features.tsv",
    (".rds", ".rdata"): "convert it with zellkonverter::writeH5AD or SeuratDisk in R",
    (".xlsx", ".xls"): "save the sheet as csv, read it with anndata.io.read_csv and write_h5ad",
    (".parquet", ".feather"): "read it with pandas, wrap it in an AnnData and write_h5ad",
    (".gz", ".bz2", ".xz", ".zst", ".tar", ".tgz", ".zip", ".7z"): "unpack it first",
}


@contextmanager
def open_source(path: FilePath, name: str | None = None) -> Iterator[Source]:
    """The table at a path, open while the block runs; the format is told by the content, not by the name.

    Formats: ``.h5ad``; ``.h5`` of 10x Genomics; AnnData in a zarr store, zipped or not; the table of a SpatialData store;
    the output folder of Cell Ranger or Space Ranger; a folder with ``matrix.mtx``. HDF5 and zarr are looked through by a
    child process first.

    Args:
        path: File or folder.
        name: Name of the slide; by default that of :func:`~pyg_gears.data.io.default_name.default_name`.

    Raises:
        InputError: for one that is missing, damaged, unsafe or of a format that is not read.
    """
    path = Path(path)
    name = name or default_name(path)
    if path.is_dir():
        with _open_folder(path, name) as source:
            yield source
    elif path.is_file() and zipfile.is_zipfile(path) and ".zarr" in path.suffixes:
        with open_zarr(path, name) as source:
            yield source
    else:
        _refuse_other_formats(path)
        if inspect_file(path, "hdf5") == "10x":
            yield _in_memory(read_tenx(path, name), name, path)
            return
        with open_h5ad(path) as file:
            yield StoredSource(file, str(path), name)


@contextmanager
def _open_folder(path: Path, name: str) -> Iterator[Source]:
    folder = ranger_folder(path)
    if is_zarr(path):
        with open_zarr(path, name) as source:
            yield source
    elif folder is not None:
        yield _in_memory(read_ranger(folder, name), name, path)
    elif is_tenx_folder(path):
        yield _in_memory(read_tenx_folder(path, name), name, path)
    else:
        raise InputError(f"expected an .h5ad file at {path}{_OR}, found a folder {other_folder(path)}.")


def _in_memory(adata: AnnData, name: str, path: Path) -> AnnDataSource:
    source = AnnDataSource(adata, name)
    source.where = str(path)
    return source


def _refuse_other_formats(path: Path) -> None:
    import h5py

    expect(path.is_file(), f"expected an .h5ad file at {path}, found nothing; check the path.")
    expect(
        os.access(path, os.R_OK),
        f"expected a file that may be read at {path}, found one without that permission; change it with chmod.",
    )
    if h5py.is_hdf5(path):
        return
    expect(
        path.stat().st_size > 0, f"expected an .h5ad file at {path}, found an empty file; copy or download it again."
    )
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"  # by gzip, also where a download has lost that ending
    usual = "unpack it first" if packed else "write it with anndata's write_h5ad"
    name = path.name.lower()
    remedy = next((words for ends, words in _CONVERSIONS.items() if name.endswith(ends)), usual)
    raise InputError(f"expected an .h5ad file at {path}{_OR}, found a file of another format; {remedy}.")

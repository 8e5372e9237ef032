"""Open the AnnData in a zarr store: a folder, a zip archive, or the table of a SpatialData store."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pyg_gears.data.io.inspection import inspect_file
from pyg_gears.data.io.open_h5ad import reading
from pyg_gears.data.io.stored_source import StoredSource
from pyg_gears.errors import expect
from pyg_gears.typing import FilePath

_ROOT_METADATA = (".zgroup", ".zattrs", ".zmetadata", ".zarray", "zarr.json")


def is_zarr(path: FilePath) -> bool:
    """Whether a folder is a zarr store."""
    return any((Path(path) / name).is_file() for name in _ROOT_METADATA)


@contextmanager
def open_zarr(path: FilePath, name: str) -> Iterator[StoredSource]:
    """An open store, once a child process has looked through it.

    Of a SpatialData store only its table is looked through and read: an AnnData, with positions in ``obsm["spatial"]``.
    Images, labels, points and shapes are not touched, and the library spatialdata, which brings 56 packages, is not
    needed.

    Args:
        path: A folder, or a zip archive of one.
        name: Name of the slide.

    Raises:
        InputError: for a store that is damaged, unsafe, or holds no table or several.
    """
    import zarr

    path = Path(path)
    table, folder = (_table(path), "") if path.is_dir() else (path, _folder_in_archive(path))
    inspect_file(table, "zarr")
    with reading(table):
        store = table if table.is_dir() else zarr.storage.ZipStore(table, mode="r")
        # Consolidated metadata may contradict the elements, which are what was looked through.
        root = zarr.open_group(store, mode="r", path=folder, use_consolidated=False)
    try:
        yield StoredSource(root, str(path), name)
    finally:
        root.store.close()


def _folder_in_archive(path: Path) -> str:
    """Where the root group lies in an archive that holds no SpatialData store, whose images would have to be looked through."""
    from pyg_gears.data.io.inspection.node import Unfit
    from pyg_gears.data.io.inspection.zarr_listing import list_store

    with suppress(Unfit, OSError, zipfile.BadZipFile):  # said by the inspection
        listing = list_store(path)
        folders = {name.split("/", 1)[0] for name in listing.sizes}
        expect(
            "obs" in folders or not {"tables", "table"} & folders,
            f"expected an AnnData in the archive {path}, found a SpatialData store; unpack it and pass the folder.",
        )
        return listing.prefix.rstrip("/")
    return ""


def zarr_name(path: Path) -> str:
    """Name of a store: its own without the ending, also for a table in it that is named by its path."""
    inside = path.parent.name in ("tables", "table") and is_zarr(path.parent)
    return (path.parent.parent if inside else path).name.removesuffix(".zip").removesuffix(".zarr")


def _table(path: Path) -> Path:
    """The folder of the table in a SpatialData store; an AnnData store is its own table."""
    if (path / "obs").exists():
        return path
    tables = next((path / name for name in ("tables", "table") if (path / name).is_dir()), None)
    expect(
        tables is not None,
        f"expected an AnnData or SpatialData store with a table at {path}, found zarr without obs and without tables; "
        "pass the store that holds the counts.",
    )
    assert tables is not None
    names = sorted(entry.name for entry in tables.iterdir() if is_zarr(entry))
    expect(
        len(names) == 1,
        f"expected one table in {tables}, found {', '.join(names) or 'none'}; "
        f"{f'name one by its path, {tables / names[0]}' if names else 'write the counts there as a table'}.",
    )
    table = tables / names[0]
    expect(
        path.resolve() in table.resolve().parents,
        f"expected the table inside of {path}, found a link that leads out of it; copy the table there.",
    )
    return table

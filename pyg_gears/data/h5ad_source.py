"""``H5adSource``: an open ``.h5ad`` file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from pyg_gears.data.open_h5ad import index_names, read_element, reading
from pyg_gears.errors import expect


class H5adSource:
    """An open ``.h5ad`` file as a :class:`~pyg_gears.data.source.Source`.

    Args:
        file: The open file; it must stay open while the source is read.
        name: Name of the slide; the file's stem if omitted.

    Raises:
        InputError: for HDF5 that is no AnnData.
    """

    def __init__(self, file: h5py.File, name: str | None = None) -> None:
        self.file = file
        self.where = str(file.filename)
        self.name = name or Path(self.where).stem
        with reading(self.where):
            missing = [key for key in ("obs", "var") if key not in file]
        expect(
            not missing,
            f"expected an AnnData file at {self.where}, found HDF5 without {', '.join(missing)}; "
            "write it with anndata's write_h5ad.",
        )

    def row_names(self, table: str) -> tuple[str, ...]:
        """Names of the rows of a table."""
        return index_names(self.file, table)

    def keys(self, group: str) -> tuple[str, ...]:
        """Elements of a group, without the index of a table."""
        with reading(self.where):
            found = self.file.get(group)
            if not isinstance(found, h5py.Group):
                return ()
            index = found.attrs.get("_index")
            return tuple(key for key in found if key != index)

    def has(self, key: str) -> bool:
        """Whether the file holds the element."""
        with reading(self.where):
            return key in self.file and self.file[key].attrs.get("encoding-type") != "null"

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Shape of a dataset or sparse matrix; None for a data frame."""
        with reading(self.where):
            found = self.file[key]
            shape = found.shape if isinstance(found, h5py.Dataset) else found.attrs.get("shape")
            return None if shape is None else tuple(int(size) for size in shape)

    def read(self, key: str) -> Any:
        """An element in its type in memory."""
        return read_element(self.file, key)

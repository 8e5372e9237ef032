"""``StoredSource``: an open ``.h5ad`` file or zarr store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from pyg_gears.data.io.inspection.limits import available_memory, gigabytes
from pyg_gears.data.io.open_h5ad import index_names, read_element, reading
from pyg_gears.data.io.row_blocks import row_blocks
from pyg_gears.errors import expect

if TYPE_CHECKING:
    from anndata import AnnData


class StoredSource:
    """An open ``.h5ad`` file or zarr store as a :class:`~pyg_gears.data.io.source.Source`.

    Args:
        root: The open file, or the group of the table in a store; it must stay open while the source is read.
        where: The file or store, for messages.
        name: Name of the slide.

    Raises:
        InputError: for one that is no AnnData.
    """

    def __init__(self, root: Any, where: str, name: str) -> None:
        self.root = root
        self.where = where
        self.name = name
        with reading(where):
            missing = [key for key in ("obs", "var") if key not in root]
        form = "HDF5" if isinstance(root, h5py.Group) else "zarr"
        expect(
            not missing,
            f"expected an AnnData file at {where}, found {form} without {', '.join(missing)}; "
            "write it with anndata's write_h5ad.",
        )

    def row_names(self, table: str) -> tuple[str, ...]:
        """Names of the rows of a table."""
        return index_names(self.root, table, self.where)

    def keys(self, group: str) -> tuple[str, ...]:
        """Elements of a group, without the index of a table."""
        with reading(self.where):
            found: Any = self.root.get(group)
            if not hasattr(found, "keys"):
                return ()
            index, columns = (found.attrs.get(key) for key in ("_index", "column-order"))
            if columns is not None:
                # A column with a slash in its name lies in a group, which is no column.
                found = [*map(_text, np.asarray(columns).ravel().tolist()), *({"__categories"} & set(found))]
            return tuple(key for key in found if key != index)

    def has(self, key: str) -> bool:
        """Whether the file holds the element."""
        with reading(self.where):
            return key in self.root and self.root[key].attrs.get("encoding-type") != "null"

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Shape of a dataset or sparse matrix; None for a data frame."""
        with reading(self.where):
            found = self.root[key]
            shape = found.attrs.get("shape") if hasattr(found, "keys") else found.shape
            return None if shape is None else tuple(int(size) for size in shape)

    def read(self, key: str) -> Any:
        """An element in its type in memory."""
        return read_element(self.root, key, self.where)

    def blocks(self, key: str) -> Iterator[Any]:
        """A matrix block by block of rows; whole where it is stored by columns."""
        with reading(self.where):
            blocks = row_blocks(self.root[key])
            if blocks is not None:
                yield from blocks
                return
        yield self.read(key)

    def to_anndata(self) -> AnnData:
        """The whole object in memory.

        Raises:
            InputError: when it is damaged, or larger than the memory that is free.
        """
        import anndata

        with reading(self.where):
            size = _stored_bytes(self.root)
        free = available_memory()
        expect(
            size <= free,
            f"expected a table that fits into memory in {self.where}, found {gigabytes(size)} where {gigabytes(free)} are free; "
            "leave out layers, or use a part of it.",
        )
        with reading(self.where):
            if isinstance(self.root, h5py.Group):
                return anndata.read_h5ad(self.where)
            return anndata.io.read_zarr(self.root)


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _stored_bytes(root: Any) -> int:
    """Bytes of all arrays below a group, as they are in memory."""
    if not isinstance(root, h5py.Group):
        return sum(found.nbytes for _, found in root.members(max_depth=None) if hasattr(found, "nbytes"))
    sizes: list[int] = []
    root.visititems(lambda _, found: sizes.append(found.nbytes) if isinstance(found, h5py.Dataset) else None)
    return sum(sizes)

"""``AnnDataSource``: an ``AnnData`` in memory, or backed by a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import h5py

from pyg_gears.data.io.row_blocks import row_blocks
from pyg_gears.data.io.row_names import names_of_rows

if TYPE_CHECKING:
    from anndata import AnnData


class AnnDataSource:
    """An ``AnnData`` as a :class:`~pyg_gears.data.io.source.Source`; it is never changed.

    Args:
        adata: The object, in memory or backed.
        name: Name of the slide.
    """

    def __init__(self, adata: AnnData, name: str) -> None:
        self.adata = adata
        self.name = self.where = name

    def row_names(self, table: str) -> tuple[str, ...]:
        """Names of the rows of a table."""
        names = {"obs": self.adata.obs_names, "var": self.adata.var_names}.get(table)
        return names_of_rows(self.adata.raw.var_names if names is None else names)

    def keys(self, group: str) -> tuple[str, ...]:
        """Elements of a group."""
        found = self._element(group)
        names = found.keys() if hasattr(found, "keys") else ()
        return tuple(str(name) for name in names if name is not None)  # in anndata 0.13, layers[None] is X

    def has(self, key: str) -> bool:
        """Whether the object holds the element."""
        return self._element(key) is not None

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Shape of the element."""
        return getattr(self._element(key), "shape", None)

    def read(self, key: str) -> Any:
        """The element in memory; a backed matrix is read, one of dask computed."""
        found = self._element(key)
        if hasattr(found, "compute"):
            return found.compute()
        if hasattr(found, "to_memory"):
            return found.to_memory()
        return found[()] if isinstance(found, h5py.Dataset) else found

    def blocks(self, key: str) -> Iterable[Any]:
        """A matrix block by block of rows where it is backed; whole where it is in memory, or one of dask."""
        blocks = row_blocks(self._element(key))
        return (self.read(key),) if blocks is None else blocks

    def to_anndata(self) -> AnnData:
        """A copy in memory."""
        return self.adata.to_memory(copy=True)

    def _element(self, key: str) -> Any:
        """The element, or None."""
        group, *names = key.split("/", 1)
        if group == "raw":
            raw = self.adata.raw
            return None if raw is None else {"X": raw.X, "var": raw.var} if not names else getattr(raw, names[0])
        try:
            found = getattr(self.adata, group)
        except KeyError:
            return None  # a backed file without X
        while names and hasattr(found, "keys"):
            # A name may hold a slash itself.
            name = names[0]
            if name in found:
                return found[name]
            step, *names = name.split("/", 1)
            found = found[step] if names and step in found else None
        return found

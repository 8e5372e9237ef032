"""``AnnDataSource``: an ``AnnData`` in memory, or backed by a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anndata import AnnData


class AnnDataSource:
    """An ``AnnData`` as a :class:`~pyg_gears.data.source.Source`; it is never changed.

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
        return tuple(map(str, self.adata.raw.var_names if names is None else names))

    def keys(self, group: str) -> tuple[str, ...]:
        """Elements of a group."""
        if group == "raw":
            return () if self.adata.raw is None else ("X", "var")
        return tuple(map(str, getattr(self.adata, group).keys()))

    def has(self, key: str) -> bool:
        """Whether the object holds the element."""
        if key == "X":
            return self.adata.X is not None
        group, name = key.split("/", 1)
        return name in self.keys(group)

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Shape of the element."""
        return getattr(self._element(key), "shape", None)

    def read(self, key: str) -> Any:
        """The element in memory; a backed matrix is read."""
        found = self._element(key)
        return found.to_memory() if hasattr(found, "to_memory") else found

    def to_anndata(self) -> AnnData:
        """A copy in memory."""
        return self.adata.to_memory(copy=True)

    def _element(self, key: str) -> Any:
        if key == "X":
            return self.adata.X
        group, name = key.split("/", 1)
        if group == "raw":
            return self.adata.raw.X if name == "X" else self.adata.raw.var
        return getattr(self.adata, group)[name]

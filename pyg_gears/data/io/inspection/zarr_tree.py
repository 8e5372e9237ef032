"""zarr stores as :class:`~pyg_gears.data.io.inspection.node.Node`: their metadata is checked before zarr sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from pyg_gears.data.io.inspection.limits import SLAB_BYTES, Budget, read_in_blocks, start_step
from pyg_gears.data.io.inspection.node import Node, Unfit, printable
from pyg_gears.data.io.inspection.zarr_listing import Listing, list_store
from pyg_gears.data.io.inspection.zarr_metadata import ArrayMetadata, array_metadata, parse

_STRING_BYTES = 57


@contextmanager
def zarr_tree(path: Path) -> Iterator[Node]:
    """The tree of a store; consolidated metadata is not read, since it may say other things than its elements do.

    Raises:
        Unfit: for links, codecs that could execute code, and sizes out of proportion.
    """
    import zarr

    listing = list_store(path)
    budget = Budget(sum(listing.sizes.values()) if path.is_dir() else path.stat().st_size)
    described = _described(listing, budget)
    if "" not in described:
        raise Unfit("it has no zarr metadata at its root")
    store: Any = path if path.is_dir() else zarr.storage.ZipStore(path, mode="r")
    group = zarr.open_group(store, mode="r", path=listing.prefix.rstrip("/"), use_consolidated=False)
    yield _Walk(group, described, budget).element("", 0)


def _described(listing: Listing, budget: Budget) -> dict[str, tuple[dict[str, Any], ArrayMetadata | None]]:
    """Attributes and sizes of every element by its path."""
    found: dict[str, tuple[dict[str, Any], ArrayMetadata | None]] = {}
    for name in listing.sizes:
        folder, _, file = name.rpartition("/")
        if file not in (".zgroup", ".zarray", "zarr.json"):
            continue
        start_step()
        where = printable(folder or "the root")
        if folder in found:
            raise Unfit(f"{where} is described twice")
        budget.add_element(folder.count("/"))
        own = parse(listing.metadata(name), where)
        if own.get("zarr_format") != (3 if file == "zarr.json" else 2):
            # zarr would look for what lies below in another format, and find a part of it.
            raise Unfit(f"{where} is of zarr format {printable(str(own.get('zarr_format')))} in a file named {file}")
        is_array = file == ".zarray" or own.get("node_type") == "array"
        attrs = own.get("attributes", {}) if file == "zarr.json" else {}
        beside = f"{folder}/.zattrs".lstrip("/")
        if file != "zarr.json" and beside in listing.sizes:
            attrs = parse(listing.metadata(beside), where)
        if not isinstance(attrs, dict):
            raise Unfit(f"the attributes of {where} are no JSON object")
        found[folder] = attrs, array_metadata(own, where) if is_array else None
    return found


class _Walk:
    def __init__(
        self, group: Any, described: dict[str, tuple[dict[str, Any], ArrayMetadata | None]], budget: Budget
    ) -> None:
        self.group, self.described, self.budget = group, described, budget
        self.below: dict[str, list[str]] = {}
        for path in described:
            if path:
                self.below.setdefault(path.rpartition("/")[0], []).append(path)

    def element(self, path: str, depth: int) -> Node:
        start_step()
        attrs, sizes = self.described[path]
        node = Node(path, attrs)
        if sizes is not None:
            self._array(node, sizes)
            return node
        node.children = {child.rpartition("/")[2]: self.element(child, depth + 1) for child in self.below.get(path, [])}
        return node

    def _array(self, node: Node, sizes: ArrayMetadata) -> None:
        array = self._open(node)
        if tuple(array.shape) != sizes.shape:
            raise Unfit(f"{node.called} has two shapes")
        node.shape = sizes.shape
        dtype = np.dtype(array.dtype)
        node.kind = "T" if dtype.kind in "OTUS" else dtype.kind
        width = dtype.itemsize + (_STRING_BYTES if node.kind == "T" else 0)
        declared = max(prod(node.shape), sizes.chunk) * width
        encoding = self.described.get(node.path.rpartition("/")[0], ({}, None))[0].get("encoding-type")
        self.budget.add_bytes(declared, node.called, in_blocks=read_in_blocks(node.path, encoding))
        node.slabs = partial(self._slabs, array, node, width)

    def _open(self, node: Node) -> Any:
        try:
            return self.group[node.path]
        except ValueError as error:
            if "No Zarr data type" not in str(error):
                raise
            # Such as records, which rank_genes_groups of scanpy leaves: zarr 3.4 writes another name for them than 3.1 knows.
            raise Unfit(
                f"{node.called} holds values of a type that zarr {version('zarr')} does not know",
                "upgrade zarr with pip install --upgrade zarr, or write it with anndata's write_h5ad",
            ) from None

    def _slabs(self, array: Any, node: Node, width: int) -> Iterator[np.ndarray]:
        if not node.shape or 0 in node.shape:
            start_step()
            yield np.asarray(array[...])
            return
        row = width * prod(node.shape[1:])
        rows = -(-max(1, SLAB_BYTES // row) // array.chunks[0]) * array.chunks[0]
        for first in range(0, node.shape[0], rows):
            start_step(rows * row)
            slab = np.asarray(array[first : first + rows])
            if node.kind == "T":
                self.budget.add_bytes(sum(len(str(text)) for text in slab.ravel()), node.called)
            yield slab

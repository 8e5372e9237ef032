"""HDF5 files as :class:`~pyg_gears.data.io.inspection.node.Node`, refusing what leads out of the file or in circles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5r, h5t, h5z

from pyg_gears.data.io.inspection.limits import SLAB_BYTES, Budget, read_in_blocks, start_step
from pyg_gears.data.io.inspection.node import Node, Unfit, printable

# 32000 is LZF, which h5py brings; other numbers are plug-ins that HDF5 would load from disk.
_FILTERS = {
    h5z.FILTER_DEFLATE,
    h5z.FILTER_SHUFFLE,
    h5z.FILTER_FLETCHER32,
    h5z.FILTER_SCALEOFFSET,
    h5z.FILTER_NBIT,
    32000,
}
_SIMPLE = {h5t.INTEGER, h5t.FLOAT, h5t.STRING, getattr(h5t, "COMPLEX", h5t.FLOAT)}
_LINKS = {h5l.TYPE_SOFT: "a soft link", h5l.TYPE_EXTERNAL: "a link to another file"}
# A Python string of length l takes 49 + l bytes, and 8 for the pointer to it.
_STRING_BYTES = 57


@contextmanager
def hdf5_tree(path: Path) -> Iterator[Node]:
    """The tree of a file, whose arrays are read while it is open.

    Raises:
        Unfit: for links other than hard ones, groups that are linked twice, values kept in other files, references,
            filters that need plug-ins, and sizes out of proportion.
    """
    budget = Budget(path.stat().st_size)
    with h5py.File(path, "r") as file:
        # Opening the root by its name makes it a group like the others.
        walk = _Walk(budget)
        root = walk.element(h5o.open(file.id, b"/"), "", 0)
        walk.resolve_references()
        yield root


class _Walk:
    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.groups: set[int] = set()
        self.arrays: dict[int, Node] = {}
        self.references: list[tuple[Node, int]] = []

    def element(self, found: Any, path: str, depth: int, encoding: object = None) -> Node:
        start_step()
        self.budget.add_element(depth)
        if not isinstance(found, h5g.GroupID | h5d.DatasetID):
            raise Unfit(f"{printable(path)} is a type and not a value")
        address = h5o.get_info(found).addr
        node = Node(path, {})
        for index in range(h5a.get_num_attrs(found)):
            self._attribute(found, node, h5a.open(found, index=index))
        if isinstance(found, h5d.DatasetID):
            self._array(found, node, read_in_blocks(path, encoding))
            self.arrays[address] = node
            return node
        if address in self.groups:
            raise Unfit(f"{node.called} is a group that is linked twice")
        self.groups.add(address)
        node.children = {}
        for raw in list(found):
            name = _text(raw, f"the name of an element of {node.called}")
            below = f"{path}/{name}".lstrip("/")
            kind = found.links.get_info(raw).type
            if kind != h5l.TYPE_HARD:
                raise Unfit(f"{printable(below)} is {_LINKS.get(kind, 'a link of unknown type')}")
            node.children[name] = self.element(h5o.open(found, raw), below, depth + 1, node.attrs.get("encoding-type"))
        return node

    def resolve_references(self) -> None:
        """Replace the references of old categorical columns by the array that they refer to."""
        for node, address in self.references:
            if address not in self.arrays:
                raise Unfit(f"the categories of {node.called} are nowhere in the file")
            node.attrs["categories"] = self.arrays[address]

    def _attribute(self, found: Any, node: Node, attribute: h5a.AttrID) -> None:
        name = _text(attribute.name, f"the name of an attribute of {node.called}")
        where = f"attribute {printable(name)} of {node.called}"
        self.budget.add_element(0)
        kind = attribute.get_type()
        self.budget.add_bytes(prod(attribute.shape or ()) * kind.get_size(), where)
        if name == "categories" and kind.get_class() == h5t.REFERENCE and kind.equal(h5t.STD_REF_OBJ):
            # Columns as anndata 0.7 wrote them.
            reference = h5py.AttributeManager(_Opened(found))[name]
            if not reference:
                raise Unfit(f"the categories of {node.called} are nowhere in the file")
            self.references.append((node, h5o.get_info(h5r.dereference(reference, found)).addr))
            return
        _check_type(kind, where)
        start_step()
        node.attrs[name] = h5py.AttributeManager(_Opened(found))[name]

    def _array(self, found: h5d.DatasetID, node: Node, in_blocks: bool) -> None:
        _check_type(found.get_type(), node.called)
        plan = found.get_create_plist()
        if plan.get_external_count() or plan.get_layout() == h5d.VIRTUAL:
            raise Unfit(f"{node.called} keeps its values in other files")
        for index in range(plan.get_nfilters()):
            number = plan.get_filter(index)[0]
            if number not in _FILTERS:
                raise Unfit(
                    f"{node.called} is compressed with a plug-in (filter {number})",
                    "write it with compression='gzip'",
                )
        data = h5py.Dataset(found)
        if data.shape is None:
            return
        node.shape = tuple(int(size) for size in data.shape)
        text = h5py.check_string_dtype(data.dtype)
        node.kind = "T" if text else data.dtype.kind
        row = found.get_type().get_size() + (_STRING_BYTES if text else 0)
        # A chunk is unpacked whole, even where the array is smaller.
        declared = max(prod(node.shape), prod(data.chunks or ())) * row
        self.budget.add_bytes(declared, node.called, in_blocks=in_blocks)
        node.slabs = partial(self._slabs, data, node.called, row, declared)

    def _slabs(self, data: h5py.Dataset, where: str, row: int, declared: int) -> Iterator[np.ndarray]:
        if data.ndim == 0 or prod(data.shape) == 0:
            start_step(declared)
            yield np.asarray(data[()])
            return
        length, width = data.shape[0], row * prod(data.shape[1:])
        rows = max(1, SLAB_BYTES // width)
        if data.chunks:
            rows = -(-rows // data.chunks[0]) * data.chunks[0]
        for first in range(0, length, rows):
            start_step(rows * width)
            slab = data[first : first + rows]
            if slab.dtype == object:
                # Many strings of variable length may share one long text.
                self.budget.add_bytes(sum(map(len, slab.ravel())), where)
            yield slab


class _Opened:
    """What h5py's attribute manager asks for."""

    def __init__(self, found: Any) -> None:
        self.id = found


def _check_type(kind: h5t.TypeID, where: str) -> None:
    held = kind.get_class()
    if held == h5t.COMPOUND:
        for member in range(kind.get_nmembers()):
            _check_type(kind.get_member_type(member), where)
    elif held in (h5t.ARRAY, h5t.ENUM):
        _check_type(kind.get_super(), where)
    elif held not in _SIMPLE:
        what = {h5t.REFERENCE: "references", h5t.VLEN: "lists of any length", h5t.OPAQUE: "opaque bytes"}
        raise Unfit(f"{where} holds {what.get(held, 'values of an unknown kind')}")


def _text(raw: bytes | str, what: str) -> str:
    try:
        return raw.decode() if isinstance(raw, bytes) else raw.encode().decode()
    except UnicodeError:
        raise Unfit(f"{what} is not UTF-8") from None

"""What anndata needs to read a file: known encodings, tables whose columns are there and of one length, sizes that agree."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from pyg_gears.data.io.inspection.node import Node, Unfit, printable
from pyg_gears.data.io.inspection.sparse_rules import check_compressed, same_length, shape_of

# Encodings and versions that anndata up to 0.12 registers; "" is what files before 0.7 carry.
_VERSIONS = {
    "": ("",),
    **dict.fromkeys(("anndata", "raw", "dict", "null", "csr_matrix", "csc_matrix", "awkward-array"), ("0.1.0",)),
    **dict.fromkeys(("nullable-integer", "nullable-boolean", "nullable-string-array"), ("0.1.0",)),
    **dict.fromkeys(("array", "rec-array", "string-array", "string", "bytes"), ("0.2.0",)),
    **dict.fromkeys(("numeric-scalar", "categorical"), ("0.2.0",)),
    "dataframe": ("0.1.0", "0.2.0"),
}
_ELEMENTS = {"X", "obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns", "raw"}
_GROUPS = {"anndata", "raw", "dict", "csr_matrix", "csc_matrix", "awkward-array", "dataframe", "categorical"}
_GROUPS |= {"nullable-integer", "nullable-boolean", "nullable-string-array"}
_KINDS = {
    "array": "fiubcTV",
    "rec-array": "V",
    "string-array": "T",
    "string": "T",
    "bytes": "TVS",
    "numeric-scalar": "fiubc",
    "null": "Nb",  # zarr knows no empty array and stores a truth value
}


def is_anndata(root: Node) -> bool:
    """Whether the root is meant to be an AnnData object."""
    children = root.children or {}
    return root.attrs.get("encoding-type") == "anndata" or {"obs", "var"} <= set(children)


def check_anndata(root: Node) -> None:
    """Check everything in the file, since the layout is written with all of it.

    Raises:
        Unfit: for the first element that anndata could not read, or would read wrongly.
    """
    root.children = root.children or {}
    obs, var = root.children.get("obs"), root.children.get("var")
    if obs is None or var is None or not {"_index"} <= set(obs.attrs) & set(var.attrs):
        # Tables of before 0.7, or none: the reader says so.
        root.visit()
        return
    for name in root.children:
        if name not in _ELEMENTS and not name.startswith("raw."):
            raise Unfit(f"an AnnData object has no element {printable(name)}")
    _check(root)
    n, g = _rows(obs), _rows(var)
    for name, leading in _aligned(n, g).items():
        for member in _members(root, name):
            _sizes(member, leading)
            if name in ("obsm", "varm") and member.attrs.get("encoding-type") == "dataframe":
                _same_names(member, obs if name == "obsm" else var)
    for matrix in filter(None, [root.children.get("X"), *_members(root, "layers")]):
        _sizes(matrix, (n, g))
    raw = root.children.get("raw")
    if raw is not None and raw.children is not None and {"X", "var"} <= set(raw.children):
        genes = _rows(raw.children["var"])
        _sizes(raw.children["X"], (n, genes))
        for member in _members(raw, "varm"):
            _sizes(member, (genes,))


def _same_names(table: Node, parent: Node) -> None:
    own, due = (_names(one) for one in (table, parent))
    if own != due:
        raise Unfit(f"{table.called} has other names than {parent.called}")


def _names(table: Node) -> list[str]:
    index = _column(table, table.attrs["_index"])
    values = index.values().tolist() if index is not None and index.children is None else []
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _aligned(n: int, g: int) -> dict[str, tuple[int, ...]]:
    return {"obs": (n,), "var": (g,), "obsm": (n,), "varm": (g,), "obsp": (n, n), "varp": (g, g)}


def _members(root: Node, name: str) -> list[Node]:
    group = (root.children or {}).get(name)
    if group is None:
        return []
    if group.children is None:
        raise Unfit(f"{group.called} is an array and not a group")
    if group.attrs.get("encoding-type") in (None, "dict"):
        return list(group.children.values())
    return []


def _check(node: Node) -> None:
    encoding = _encoding(node)
    if node.children is None:
        allowed = _KINDS.get(encoding)
        if allowed is not None and node.kind not in tuple(allowed):
            raise Unfit(f"{node.called} is called {encoding} and holds other values")
        node.visit()
        return
    special: dict[str, Callable[[Node], None]] = {
        "csr_matrix": _check_sparse,
        "csc_matrix": _check_sparse,
        "dataframe": _check_table,
        "awkward-array": _check_awkward,
        "categorical": _check_categorical,
        **dict.fromkeys(("nullable-integer", "nullable-boolean", "nullable-string-array"), _check_nullable),
    }
    special.get(encoding, _check_members)(node)


def _encoding(node: Node) -> str:
    encoding, version = (node.attrs.get(key, "") for key in ("encoding-type", "encoding-version"))
    if not isinstance(encoding, str) or version not in _VERSIONS.get(encoding, ()):
        raise Unfit(f"{node.called} has the unknown encoding {printable(f'{encoding} {version}'.strip())}")
    if encoding and (encoding in _GROUPS) != (node.children is not None):
        raise Unfit(f"{node.called} is called {encoding} and is {'an array' if node.children is None else 'a group'}")
    if not encoding and "h5sparse_format" in node.attrs:
        return f"{node.attrs['h5sparse_format']}_matrix"
    return encoding


def _check_members(node: Node) -> None:
    for child in (node.children or {}).values():
        _check(child)


def _check_sparse(node: Node) -> None:
    rows, columns = _sparse_shape(node)
    by_row = _encoding(node) == "csr_matrix"
    check_compressed(node, major=rows if by_row else columns, minor=columns if by_row else rows)


def _sparse_shape(node: Node) -> tuple[int, int]:
    return shape_of(node.attrs.get("shape", node.attrs.get("h5sparse_shape")), node.called)


def _check_table(node: Node) -> None:
    order: Any = node.attrs.get("column-order")
    names = [] if order is None else np.asarray(order).ravel().tolist()
    index: Any = node.attrs.get("_index")
    if order is None or not all(isinstance(name, str) for name in [index, *names]):
        raise Unfit(f"the columns of {node.called} are not named")
    columns = {}
    for name in [index, *names]:
        found = _column(node, name)
        if found is None:
            raise Unfit(f"{node.called} has no column {printable(name)}")
        columns[name] = found
    # The index may be a column as well, but for the name that anndata keeps to itself.
    if len(set(names)) != len(names) or "_index" in names:
        raise Unfit(f"{node.called} names a column twice")
    length = _rows(node)
    for column in columns.values():
        if _leading(column) != (length,) or column.kind in ("V", "c"):
            raise Unfit(f"column {column.called} does not have {length} single values")
        categories = column.attrs.get("categories")
        if isinstance(categories, Node):
            _check_codes(column, categories)
    if columns[index].kind not in ("T", "i", "u", "f") and columns[index].children is None:
        raise Unfit(f"{columns[index].called} holds no names")
    _check_members(node)


def _column(table: Node, name: str) -> Node | None:
    """A column, if it is there; a slash in its name, as in "CD4/CD8", leads into a group, which is how anndata writes it."""
    found: Node | None = table
    for step in name.split("/"):
        found = None if found is None or found.children is None else found.children.get(step)
    return found


def _check_categorical(node: Node) -> None:
    categories = (node.children or {}).get("categories")
    if categories is not None and _encoding(categories) == "nullable-string-array":
        # anndata up to 0.12 writes the categories of a pandas column of dtype "string" so, where it is allowed to.
        if categories.array("mask").values().any():
            raise Unfit(f"{categories.called} names a category twice or not at all")
        _check_codes(node.array("codes"), categories.array("values"))
    else:
        _check_codes(node.array("codes"), node.array("categories"))
    _check_members(node)


def _check_codes(codes: Node, categories: Node) -> None:
    if codes.kind not in ("i", "u") or len(codes.shape) != 1 or len(categories.shape) != 1:
        raise Unfit(f"{codes.called} are no codes of categories")
    known = categories.values()
    if len(set(known.tolist())) != len(known) or (known.dtype.kind == "f" and np.isnan(known).any()):
        raise Unfit(f"{categories.called} names a category twice or not at all")
    for slab in codes.slabs():
        if slab.size and (slab.min() < -1 or slab.max() >= len(known)):
            raise Unfit(f"{codes.called} points to categories that are not there")


def _check_awkward(node: Node) -> None:
    if find_spec("awkward") is None:
        raise Unfit(f"{node.called} is an awkward array", "install awkward (pip install awkward) or leave it out")
    _check_members(node)


def _check_nullable(node: Node) -> None:
    values, mask = node.array("values"), node.array("mask")
    kinds = {"nullable-integer": "iu", "nullable-boolean": "b", "nullable-string-array": "T"}[_encoding(node)]
    if mask.kind != "b" or values.kind not in tuple(kinds):
        raise Unfit(f"{node.called} holds other values than its encoding says")
    same_length([values, mask], values.shape[0] if values.shape else 0, "entries")
    _check_members(node)


def _rows(table: Node) -> int:
    index: Any = table.attrs.get("_index")
    column = _column(table, index) if isinstance(index, str) else None
    shape = _leading(column) if column is not None else None
    if shape is None or len(shape) != 1:
        raise Unfit(f"{table.called} has no list of names")
    return shape[0]


def _leading(node: Node) -> tuple[int, ...] | None:
    """Shape of an element; None where it cannot be told (records of lists)."""
    if node.children is None:
        return node.shape
    encoding = _encoding(node)
    if encoding in ("csr_matrix", "csc_matrix"):
        return _sparse_shape(node)
    if encoding == "dataframe":
        return (_rows(node),)
    if encoding == "categorical":
        return node.array("codes").shape
    if encoding.startswith("nullable"):
        return node.array("values").shape
    return None


def _sizes(node: Node, expected: tuple[int, ...]) -> None:
    shape = (node.shape if node.kind != "N" else None) if node.children is None else _leading(node)
    if shape is not None and shape[: len(expected)] != expected:
        raise Unfit(f"{node.called} has shape {shape} where {expected} is due")
    if shape is not None and len(expected) == 2 and len(shape) != 2:
        raise Unfit(f"{node.called} is no table of two dimensions")

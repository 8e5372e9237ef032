"""Sparse matrices: SciPy's compiled code trusts indices, so that they are checked before it sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyg_gears.data.io.inspection.node import Node, Unfit, check_values


def check_compressed(group: Node, *, major: int, minor: int) -> None:
    """Check a compressed matrix: ``indptr`` climbs from 0 to the number of entries, ``indices`` lie in [0, minor).

    Args:
        group: Holds ``data``, ``indices`` and ``indptr``.
        major: Number of rows of a row-compressed matrix (columns of a column-compressed one).
        minor: The other size.

    Raises:
        Unfit: when they do not.
    """
    where = group.called
    data, indices, indptr = (group.array(name) for name in ("data", "indices", "indptr"))
    for part, kinds in ((data, "fiub"), (indices, "iu"), (indptr, "iu")):
        if part.kind not in tuple(kinds) or len(part.shape) != 1:
            raise Unfit(f"{part.called} is no list of {'integers' if kinds == 'iu' else 'numbers'}")
    if indptr.shape[0] != major + 1 or indices.shape != data.shape:
        raise Unfit(
            f"{where} has {data.shape[0]} values, {indices.shape[0]} indices and {indptr.shape[0]} pointers "
            f"for {major} rows or columns"
        )
    last = 0
    for number, slab in enumerate(indptr.slabs()):
        # Unsigned values above the signed range turn negative and are found as such.
        pointers = slab.astype(np.int64)
        if number == 0 and pointers[0] != 0:
            raise Unfit(f"{indptr.called} does not start at 0")
        if pointers[0] < last or (np.diff(pointers) < 0).any():
            raise Unfit(f"{indptr.called} does not climb")
        last = int(pointers[-1])
    if last != data.shape[0]:
        raise Unfit(f"{indptr.called} ends at {last} and not at {data.shape[0]}")
    for slab in indices.slabs():
        columns = slab.astype(np.int64)
        if columns.size and (columns.min() < 0 or columns.max() >= minor):
            raise Unfit(f"{indices.called} point outside of the matrix")
    for slab in data.slabs():
        check_values(data, slab)


def shape_of(found: object, where: str) -> tuple[int, int]:
    """The shape of a sparse matrix as its file states it.

    Raises:
        Unfit: when it is no pair of sizes.
    """
    sizes = np.asarray(found)
    if sizes.shape != (2,) or sizes.dtype.kind not in "iu" or (sizes < 0).any() or (sizes > 2**48).any():
        raise Unfit(f"the shape of {where} is no pair of sizes")
    rows, columns = (int(size) for size in sizes)
    return rows, columns


def same_length(nodes: Sequence[Node], length: int, what: str) -> None:
    """Check that lists have one entry for each of ``what``.

    Raises:
        Unfit: when one has another length.
    """
    for node in nodes:
        if node.shape != (length,):
            raise Unfit(f"{node.called} has shape {node.shape} for {length} {what}")

"""A table of counts, read block by block: the genes that are asked for, and what all of its values tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from pyg_gears.data.io.count_matrix import count_matrix
from pyg_gears.data.io.inspection.limits import available_memory, gigabytes
from pyg_gears.data.normalisation import ROWS, evenly_filled_rows, is_integer
from pyg_gears.errors import expect
from pyg_gears.typing import IntArray

SAMPLE_ROWS = 4 * ROWS
"""Rows that are kept with all of their genes, at most, of a table in several blocks."""


class CountTable(NamedTuple):
    """Counts of some rows and genes. The other fields tell of these rows in all genes.

    Attributes:
        counts: The counts, float32, shape (m, g).
        finite: Whether all values are.
        lowest: The lowest value, 0 without one below.
        largest: The largest value, 0 without one above.
        whole: Whether all values are whole numbers.
        filled: Share of the values that are not zero.
        sample: The rows with all genes; of a table in several blocks some rows of each.
    """

    counts: csr_array
    finite: bool
    lowest: float
    largest: float
    whole: bool
    filled: float
    sample: csr_array


def count_table(
    name: str, where: str, blocks: Iterable[Any], rows: IntArray, columns: IntArray | None = None
) -> CountTable:
    """Read some rows and columns of a table.

    In memory are one block, the counts that are asked for, and, when all are read, the places of their entries once more.

    Args:
        name: Name of the slide, for messages.
        where: What the table is, such as "X", for messages.
        blocks: All rows of the table in their order, see :func:`~pyg_gears.data.io.row_blocks.row_blocks`.
        rows: Rows to keep, in the order wanted, each once.
        columns: Columns to keep, in the order wanted; all if omitted.

    Raises:
        InputError: for values that are no numbers, masked entries, another number of axes than two, or more than memory holds.
    """
    order = np.argsort(rows, kind="stable")
    wanted = rows[order]
    kept: list[csr_array] = []
    samples: list[csr_array] = []
    start, entries, held, share, width = 0, 0, 0, ROWS, 0
    finite, whole, lowest, largest = True, True, 0.0, 0.0
    for block in blocks:
        shape = getattr(block, "shape", ())
        stop = start + (shape[0] if shape else 0)
        inside = wanted[np.searchsorted(wanted, start) : np.searchsorted(wanted, stop)]
        counts = count_matrix(name, where, block, inside - start)
        del block  # before the next one is read
        start, width, entries = stop, counts.shape[1], entries + counts.nnz
        finite = finite and bool(np.isfinite(counts.data).all())
        lowest = min(lowest, float(counts.data.min(initial=0)))
        largest = max(largest, float(counts.data.max(initial=0)))
        whole = whole and is_integer(counts)
        kept.append(counts if columns is None else counts[:, columns])
        held += kept[-1].data.nbytes + kept[-1].indices.nbytes
        if len(kept) > 1:
            _check_room(name, held, start)
        samples.append(counts[evenly_filled_rows(counts, share)])
        if len(samples) * share > SAMPLE_ROWS:
            share = -(-share // 2)
            samples = [sample[evenly_filled_rows(sample, share)] for sample in samples]
    sample = counts if len(samples) == 1 else csr_array(vstack(samples, format="csr"))
    found = _stack(kept)
    if not np.array_equal(order, np.arange(len(order))):
        found = found[np.argsort(order)]
    return CountTable(found, finite, lowest, largest, whole, entries / max(len(rows) * width, 1), sample)


def _check_room(name: str, held: int, rows: int) -> None:
    """Stop before the counts of the rows read so far could not be put together."""
    free = available_memory()
    expect(
        held <= 2 * free,
        f"{name}: expected counts that fit into memory, found {gigabytes(held)} of them in the first {rows:,} rows where "
        f"{gigabytes(free)} are left; lay out fewer cells at a time, or fit with fewer genes (embedding.genes).",
    )


def _stack(parts: list[csr_array]) -> csr_array:
    """The rows of all parts; the list is emptied, so that values and places are not both held twice."""
    if len(parts) == 1:
        return parts[0]
    width = parts[0].shape[1]
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    data, indices = [part.data for part in parts], [part.indices for part in parts]
    parts.clear()
    values = np.concatenate(data)
    data.clear()
    if indptr[-1] <= np.iinfo(np.int32).max:
        indptr = indptr.astype(np.int32)
    places = np.concatenate(indices, dtype=indptr.dtype)
    return csr_array((values, places, indptr), shape=(len(lengths), width))

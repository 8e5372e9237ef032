"""A layout with rows for the cells that have no place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool
from scipy.sparse import csr_array

from pyg_gears.layout.reconstruct import LayoutOutput


def with_unplaced(layout: LayoutOutput, kept: Bool[np.ndarray, " n"]) -> LayoutOutput:
    """Put the rows of a layout where their cells are among all cells; the other cells have NaN and no distances.

    Args:
        layout: Layout of the cells that have a place, m of them.
        kept: Which of all cells those are, shape (n,).

    Returns:
        The layout of all n cells, with the number of those without a place as ``unplaced`` in its report.
    """
    n, place = len(kept), np.flatnonzero(kept)
    report = layout.report | {"unplaced": n - len(place)}
    if len(place) == n:
        return replace(layout, report=report)
    pos = np.full((n, 2), np.nan)
    pos[place] = layout.pos
    entries = np.zeros(n, dtype=np.int64)
    entries[place] = np.diff(layout.distances.indptr)
    # Places ascend: sorted entries stay sorted.
    column = place.astype(layout.distances.indices.dtype)[layout.distances.indices]
    distances = csr_array((layout.distances.data, column, np.concatenate([[0], np.cumsum(entries)])), shape=(n, n))
    return replace(layout, pos=pos, distances=distances, report=report)

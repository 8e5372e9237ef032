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
    pos = np.full((n, 2), np.nan)
    pos[place] = layout.pos
    entries = layout.distances.tocoo()
    distances = csr_array((entries.data, (place[entries.row], place[entries.col])), shape=(n, n))
    distances.sort_indices()
    return replace(layout, pos=pos, distances=distances, report=layout.report | {"unplaced": n - len(place)})

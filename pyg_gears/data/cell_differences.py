"""Cells must differ in more than their depth, or there is nothing to lay out by."""

from __future__ import annotations

import numpy as np
from scipy.sparse import diags_array

from pyg_gears.data.slide import Slide
from pyg_gears.errors import expect

_ROUNDING = 1e-6
ROWS = 2**12
"""Cells that are compared at a time."""


def check_cells_differ(cells: Slide, what: str = "cells") -> None:
    """Check that the expression of cells, as shares of their counts, is not the same in all; depths are no difference.

    Args:
        cells: Cells or spots.
        what: "cells" or "spots", for the message.

    Raises:
        InputError: when it is.
    """
    high, low = np.full(len(cells.genes), -np.inf), np.full(len(cells.genes), np.inf)
    for first in range(0, len(cells), ROWS):
        counts = cells.counts[first : first + ROWS].astype(np.float64)
        depth = counts.sum(axis=1)
        counts, depth = counts[depth > 0], depth[depth > 0]
        if len(depth):
            shares = diags_array(1.0 / depth) @ counts
            high = np.maximum(high, shares.max(axis=0).toarray())
            low = np.minimum(low, shares.min(axis=0).toarray())
    spread = np.maximum(high - low, 0.0)  # -inf of cells that all are empty
    expect(
        float(spread.max()) > _ROUNDING,
        f"{cells.name}: expected {what} that differ, found {len(cells)} with the same expression; give {what} with their own "
        "counts.",
    )

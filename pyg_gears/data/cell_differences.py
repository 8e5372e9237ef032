"""Cells must differ in more than their depth, or there is nothing to lay out by."""

from __future__ import annotations

import numpy as np
from scipy.sparse import diags_array

from pyg_gears.data.slide import Slide
from pyg_gears.errors import expect

_ROUNDING = 1e-6


def check_cells_differ(cells: Slide, what: str = "cells") -> None:
    """Check that the expression of cells, as shares of their counts, is not the same in all; depths are no difference.

    Args:
        cells: Cells or spots.
        what: "cells" or "spots", for the message.

    Raises:
        InputError: when it is.
    """
    counts = cells.counts.astype(np.float64)
    depth = counts.sum(axis=1)
    counts, depth = counts[depth > 0], depth[depth > 0]
    shares = diags_array(1.0 / depth) @ counts
    spread = (shares.max(axis=0) - shares.min(axis=0)).toarray() if len(depth) else np.zeros(1)
    expect(
        float(spread.max()) > _ROUNDING,
        f"{cells.name}: expected {what} that differ, found {len(cells)} with the same expression; give {what} with their own "
        "counts.",
    )

"""The spots of a table that have a position."""

from __future__ import annotations

import warnings

import numpy as np
from jaxtyping import Float

from pyg_gears.data.slide import MIN_SPOTS
from pyg_gears.errors import argument, expect
from pyg_gears.typing import IntArray


def placed_rows(name: str, pos: Float[np.ndarray, "n 2"], rows: IntArray) -> IntArray:
    """The rows whose position is known; a warning says how many have none.

    A coordinate that is missing (NaN) is what files hold for spots that no image or barcode gave a place. Infinite ones are
    kept: they are errors of a computation, which ``check_places`` refuses.

    Args:
        name: Name of the table.
        pos: Positions of all rows; NaN where there is none.
        rows: Rows to choose from.

    Raises:
        InputError: when fewer than 30 are left.
    """
    known = rows[~np.isnan(pos[rows]).any(axis=1)]
    lost = len(rows) - len(known)
    expect(
        lost == 0 or len(known) >= MIN_SPOTS,
        f"{name}: expected at least {MIN_SPOTS} spots with a position, found {len(known)} of {len(rows)}, the others NaN; "
        f"check the positions, or name others with {argument('spatial_key')}.",
    )
    if lost:
        warnings.warn(f"{name}: {lost} of {len(rows)} spots have no position (NaN) and are left out.", stacklevel=2)
    return known

"""An order of points in the plane in which neighbours are mostly near."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from pyg_gears.geometry.check_finite import check_finite

BITS = 10
"""Binary digits of a place on each axis."""


def morton_order(pos: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Order of points along the Z-curve on a grid of 1024 x 1024 squares: near in the order is mostly near in the plane.

    Args:
        pos: Points in any unit, shape (n, 2), finite.

    Returns:
        Numbers of the points along the curve, shape (n,); points in one square keep their order.

    Raises:
        InputError: for points that are NaN or infinite.

    Source: Morton (1966), "A computer oriented geodetic data base and a new technique in file sequencing".
    """
    check_finite(pos=pos)
    if len(pos) == 0:
        return np.zeros(0, dtype=np.int64)
    side = 1 << BITS
    low, extent = pos.min(axis=0), max(float(np.ptp(pos, axis=0).max()), 1e-12)
    cell = np.minimum((pos - low) / extent * side, side - 1).astype(np.int64)
    code = np.zeros(len(pos), dtype=np.int64)
    for bit in range(BITS):
        code |= ((cell[:, 0] >> bit & 1) << 2 * bit) | ((cell[:, 1] >> bit & 1) << (2 * bit + 1))
    return np.argsort(code, kind="stable")

"""Which of very many cells join a fit."""

from __future__ import annotations

import numpy as np

from pyg_gears.seeds import random_stream
from pyg_gears.typing import IntArray

FIT_CELLS = 20_000
"""Cells that join a fit at most: they tell components and an adapter the moments of their expression."""


def cell_draw(count: int, seed: int) -> IntArray:
    """Rows of the cells that join a fit, ascending: all, or :data:`FIT_CELLS` of more.

    Args:
        count: How many cells there are.
        seed: Seed of the fit.
    """
    if count <= FIT_CELLS:
        return np.arange(count)
    return np.sort(random_stream(seed, "cells of the fit").choice(count, FIT_CELLS, replace=False))

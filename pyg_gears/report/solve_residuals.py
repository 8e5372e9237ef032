"""How far the layout is from the distances that it was solved for."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class SolveResiduals(NamedTuple):
    """Layout distance minus solved-for distance of every stored pair, and the solved-for distances, shape (e,) each."""

    residual: Float[np.ndarray, " e"]
    distance: Float[np.ndarray, " e"]


def solve_residuals(pos: Float[np.ndarray, "n 2"], distances: Any) -> SolveResiduals:
    """Compare a layout with the sparse distances (n, n) that it was solved for; pairs with an unplaced cell do not count."""
    pairs = distances.tocoo()
    residual = np.linalg.norm(pos[pairs.row] - pos[pairs.col], axis=1) - pairs.data
    known = np.isfinite(residual)
    return SolveResiduals(residual[known], np.asarray(pairs.data, dtype=np.float64)[known])

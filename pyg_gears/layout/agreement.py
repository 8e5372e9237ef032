"""Confidence of the cells of one file, ordered by how far independent layouts agree on each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pyg_gears.layout.confidence import row_spearman
from pyg_gears.layout.patch_predictor import WeightedLayout

SAMPLE = 200
"""Cells to which distances are taken."""


def weigh_by_agreement(
    confidence: Float[np.ndarray, " n"],
    pos: Float[np.ndarray, "n 2"],
    others: Sequence[WeightedLayout],
) -> Float[np.ndarray, " n"]:
    r"""Give cells on which other layouts agree with this one more confidence, at the cost of the rest.

    .. math:: c_i' = c_i\, a_i\, \frac{\sum_j c_j}{\sum_j c_j a_j}, \quad a_i = \mathrm{mean}_l \max(\rho_i^l, 0)

    with :math:`\rho_i^l` the rank correlation of the distances from cell i in the layout and in layout l. The calibration on
    slides gives the level, which stays the same (but for values that would exceed 1); within a file its order is weak, as
    spots that resemble a cell may be scattered and their mean still be right.

    Measured in docs/results.md; the square of a is as good.

    Args:
        confidence: Calibrated confidence of each cell, shape (n,), in [0, 1].
        pos: The layout, shape (n, 2).
        others: Layouts of the same cells by other means; without any the confidence stays as it is.

    Returns:
        Shape (n,), in [0, 1].
    """
    if len(others) == 0:
        return confidence
    agreed = np.mean([row_spearman(other.pos, pos, SAMPLE).clip(min=0.0) for other in others], axis=0)
    shared = confidence * agreed
    if shared.sum() == 0:
        return confidence
    result: Float[np.ndarray, " n"] = np.minimum(shared * (confidence.sum() / shared.sum()), 1.0)
    return result

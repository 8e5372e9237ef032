"""The layout of a file of cells, with what is known of its quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pyg_gears.encoders import DomainGap
from pyg_gears.layout import LayoutOutput, LayoutVerdict


@dataclass(frozen=True)
class Reconstruction:
    """A layout with its confidence.

    Attributes:
        pos: Coordinates in the gauge (centred, RMS radius 1, longest axis first), shape (n, 2); NaN for cells without a count,
            which have no place.
        confidence: Per cell in [0, 1]: the rank correlation that its distances are expected to have with the true ones; 0
            without a place.
        layout: The layout with sparse distances and residuals.
        gap: How far the cells lie from the training spots in the embedding, before any adapter.
        adapted: Whether the cells went through an adapter.
        verdict: What the layout may be used for.
    """

    pos: Float[np.ndarray, "n 2"]
    confidence: Float[np.ndarray, " n"]
    layout: LayoutOutput
    gap: DomainGap
    adapted: bool
    verdict: LayoutVerdict

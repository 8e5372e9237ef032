"""Borrowing counts from neighbours where a cell has far fewer than the spots that the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.graphs import knn

MAX_SHARE = 0.7
NEIGHBORS = (10, 30)


def median_depth(slides: Sequence[Slide]) -> float:
    """Median count of a spot (or cell) over all slides, on the genes that the slides hold."""
    return float(np.median(np.concatenate([np.asarray(slide.counts.sum(axis=1)).reshape(-1) for slide in slides])))


def smooth_shallow(x: Float[Tensor, "n c"], depth_ratio: float) -> Float[Tensor, "n c"]:
    r"""Average the embedding of shallow cells with that of their neighbours.

    .. math:: H_i' = (1 - a) H_i + a\, \mathrm{mean}_{j \in kNN(i)} H_j, \quad a = \mathrm{clip}(1 - 2r, 0, 0.7), \quad
        k = \mathrm{clip}(3 / r, 10, 30)

    A single cell with a tenth of a spot's counts has ten times its sampling noise; its neighbours in H carry the same
    signal. Sections about as deep as the training slides (r of at least 1/2) are left as they are: there smoothing
    gained nothing.

    Args:
        x: Embedding, shape (n, c).
        depth_ratio: r, the cells' median count over that of the training spots, above 0.

    Returns:
        The smoothed embedding, shape (n, c); ``x`` itself where a = 0.
    """
    share = min(max(1 - 2 * depth_ratio, 0.0), MAX_SHARE)
    if share == 0.0 or x.size(0) < 3:
        return x
    k = int(min(max(round(3 / max(depth_ratio, 1e-6)), NEIGHBORS[0]), NEIGHBORS[1]))
    neighbors = knn(x, k, metric="cosine").index
    return (1 - share) * x + share * x[neighbors].mean(dim=1)

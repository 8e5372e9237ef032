"""Borrowing counts from neighbours where a cell has far fewer than the spots that the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.graphs import knn

MAX_SHARE = 0.7
ROWS = 2**15
"""Cells that are averaged at a time."""
NEIGHBORS = (10, 30)


def cell_depths(slide: Slide) -> Float[np.ndarray, " n"]:
    """Counts of every spot (or cell) on the genes that the slide holds, shape (n,)."""
    return np.asarray(slide.counts.sum(axis=1, dtype=np.float64)).reshape(-1)


def median_depth(slides: Sequence[Slide]) -> float:
    """Median count of a spot (or cell) over all slides, on the genes that the slides hold."""
    return float(np.median(np.concatenate([cell_depths(slide) for slide in slides])))


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
    share, k = _borrowing(x.size(0), depth_ratio)
    if share == 0.0:
        return x
    neighbors = knn(x, k, metric="cosine").index
    mean = torch.cat([x[near].mean(dim=1) for near in neighbors.split(ROWS)])  # (n, k, c) is too much for many cells
    return (1 - share) * x + share * mean


def borrowed_depths(depth: Float[np.ndarray, " n"], depth_ratio: float) -> Float[np.ndarray, " n"]:
    r"""Counts that the embedding of a cell rests on once :func:`smooth_shallow` has lent it those of its neighbours.

    .. math:: d_i' = \left( \frac{(1 - a)^2}{d_i} + \frac{a^2}{k\, \mathrm{median}(d)} \right)^{-1}

    The depth at which one cell alone would have the smoothed cell's sampling noise, which falls with 1/d.

    Args:
        depth: Counts of the cells, shape (n,), above 0.
        depth_ratio: As for :func:`smooth_shallow`.

    Returns:
        Shape (n,); ``depth`` itself where nothing is lent.
    """
    share, k = _borrowing(len(depth), depth_ratio)
    if share == 0.0:
        return depth
    return 1 / ((1 - share) ** 2 / depth + share**2 / (k * np.median(depth)))


def _borrowing(n: int, depth_ratio: float) -> tuple[float, int]:
    """Share a of the neighbours and their number k."""
    share = min(max(1 - 2 * depth_ratio, 0.0), MAX_SHARE)
    k = int(min(max(round(3 / max(depth_ratio, 1e-6)), NEIGHBORS[0]), NEIGHBORS[1]))
    return (share if n >= 3 else 0.0), k

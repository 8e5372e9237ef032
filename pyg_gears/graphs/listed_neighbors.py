"""Nearly the nearest neighbours of very many rows: those in lists of rows that lie close together."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.graphs.smallest import some_smallest

PROBES, EVERY_CHANNEL, MOST = 96, 4, 256
"""Lists that are looked through for the rows of one list, those whose means lie nearest to its own: more for wide rows."""
ENOUGH = 8
"""Rows that are looked through at least, in units of the neighbours wanted."""
TRAINING, TURNS = 64, 10
"""Rows of a list, on average, from which the means are found, and turns of the k-means."""
VALUES = 2**22
"""Distances held at a time (16 MB)."""


def listed_neighbors(points: Float[Tensor, "n c"], k: int) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The k nearest other rows of every row, among those of some lists (inverted lists, as many as 4 times the root of n).

    All rows of a list look through the same lists, so that their distances are one matrix product; those of the rows found are
    computed again from the differences, so that equal rows are equally far. Time grows with n to the power 1.5.

    Args:
        points: Rows, shape (n, c), float32, finite.
        k: Neighbours per row, at most n - 1.

    Returns:
        Indices and squared distances, each shape (n, k), nearest first, ties by the lower index.

    Raises:
        ImportError: without faiss, which finds the lists.
    """
    try:
        import faiss
    except ImportError as error:
        raise ImportError("approximate knn needs faiss: pip install 'pyg-gears[scale]'") from error
    rows = points.cpu()
    array = np.ascontiguousarray(rows.numpy())
    n = len(array)
    lists = max(1, min(int(4 * n**0.5), n // 39))
    # faiss' fixed seed
    means = faiss.Kmeans(
        array.shape[1], lists, niter=TURNS, max_points_per_centroid=TRAINING, min_points_per_centroid=1
    )
    means.train(array)
    label = torch.from_numpy(means.assign(array)[1].ravel().astype(np.int64))
    order = label.argsort(stable=True)
    begin = [0, *torch.bincount(label, minlength=lists).cumsum(0).tolist()]
    index, square = rows.new_empty((n, k), dtype=torch.long), rows.new_empty((n, k))
    listed = rows[order]
    norm = listed.square().sum(dim=1)
    for own in range(lists):
        if begin[own] == begin[own + 1]:
            continue
        near = _near_lists(torch.from_numpy(means.centroids), own, np.diff(begin), ENOUGH * (k + 1))
        parts = [slice(begin[one], begin[one + 1]) for one in near]
        there, length = torch.cat([listed[part] for part in parts]), torch.cat([norm[part] for part in parts])
        place = torch.cat([order[part] for part in parts])
        step = max(1, VALUES // len(place))
        for first in range(begin[own], begin[own + 1], step):
            here = slice(first, min(first + step, begin[own + 1]))
            distance = torch.addmm(length, listed[here], there.T, alpha=-2)
            size = here.stop - first
            # Its own list comes first: there a row would find itself.
            itself = torch.arange(size, device=rows.device)
            distance[itself, itself + first - begin[own]] = torch.inf
            found = place[some_smallest(distance, k)[1]].sort(dim=1).values
            value, by_value = _squares(rows, order[here], found).sort(dim=1, stable=True)
            index[order[here]], square[order[here]] = found.gather(1, by_value), value
    return index.to(points.device), square.to(points.device)


def _near_lists(mean: Float[Tensor, "l c"], own: int, size: Int[np.ndarray, " l"], least: int) -> list[int]:
    """The lists nearest to one, itself first: more of them for wide rows, and where they hold fewer rows than the least."""
    away = (mean - mean[own]).square().sum(dim=1)
    away[own] = -1.0
    near = away.argsort(stable=True)
    enough = int(np.searchsorted(np.cumsum(size[near.numpy()]), min(least, size.sum()))) + 1
    probes = min(PROBES + EVERY_CHANNEL * mean.size(1), MOST)
    return list(near[: max(probes, enough)].tolist())


def _squares(rows: Float[Tensor, "n c"], own: Int[Tensor, " m"], found: Int[Tensor, "m k"]) -> Float[Tensor, "m k"]:
    """Squared distances of some rows to those that they found."""
    return (rows[found] - rows[own][:, None]).square().sum(dim=-1)

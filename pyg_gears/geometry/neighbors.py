"""Exact nearest neighbours of points in the plane."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.geometry.checked_coordinates import check_coordinates


class PlanarNeighbors(NamedTuple):
    """Neighbours sorted by distance, ties by the lower index."""

    index: Int[Tensor, "n k"]  # type: ignore[assignment]  # hides tuple.index
    distance: Float[Tensor, "n k"]


def nearest_neighbors(pos: Float[Tensor, "n d"], k: int) -> PlanarNeighbors:
    """The k nearest other points of every point, ties broken by the lower index.

    Lattices (spot arrays) are full of equal distances; distances that agree to 1e-9 relative count as equal, so that
    neither rounding nor the pose of the slide decides who is a neighbour.

    Args:
        pos: Coordinates, shape (n, d).
        k: Neighbours per point; clipped to n - 1.

    Returns:
        ``index`` (n, k) int64 and ``distance`` (n, k) in the unit and dtype of ``pos``.

    Raises:
        InputError: when ``pos`` is no matrix of finite floats.
    """
    from scipy.spatial import cKDTree

    check_coordinates(pos)
    n = pos.size(0)
    k = max(min(k, n - 1), 0)
    points = pos.detach().cpu().double().numpy()
    check_finite(pos=points)
    tree = cKDTree(points)
    index = np.empty((n, k), dtype=np.int64)
    distance = np.empty((n, k))
    # One shell more than asked for (a square lattice has at most 12 points at one distance in reach of k = 60);
    # rows whose last tie may go on beyond it are asked again with twice the width.
    todo, width = np.arange(n), min(n, k + 13)
    while todo.size and k:
        d, j = tree.query(points[todo], k=np.arange(1, width + 1))
        d[j == todo[:, None]] = -1.0  # the point itself comes first, whatever coincides with it
        by_distance = np.argsort(d, axis=1, kind="stable")
        d, j = np.take_along_axis(d, by_distance, 1), np.take_along_axis(j, by_distance, 1)
        key = _merge_ties(d)
        by_index = np.lexsort((j, key), axis=1)
        d, j = np.take_along_axis(d, by_index, 1), np.take_along_axis(j, by_index, 1)
        # A row is settled when the ties of its k-th neighbour end inside the window and the point itself was seen.
        settled = (d[:, 0] < 0) & ((key[:, -1] > key[:, k]) | (width == n))
        index[todo[settled]], distance[todo[settled]] = j[settled, 1 : k + 1], d[settled, 1 : k + 1]
        todo, width = todo[~settled], min(n, 2 * width)
    return PlanarNeighbors(torch.from_numpy(index).to(pos.device), torch.from_numpy(distance).to(pos.device, pos.dtype))


def _merge_ties(sorted_distance: np.ndarray) -> np.ndarray:
    """Give sorted distances that agree to 1e-9 relative the value of the first of their run; -1 is no distance."""
    step = np.diff(sorted_distance, axis=1, prepend=-2.0)
    starts = step > 1e-9 * sorted_distance  # of their own: the window may reach a cluster that is far away
    starts[:, 1:] |= sorted_distance[:, :-1] < 0  # however long the distances are, the marker's run is its own
    first = np.maximum.accumulate(np.where(starts, np.arange(step.shape[1]), 0), axis=1)
    return np.take_along_axis(sorted_distance, first, axis=1)

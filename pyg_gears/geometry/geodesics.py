"""Shortest paths on a distance graph, and the plane embedding that they start (landmark Isomap)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from pyg_gears.errors import expect


class LandmarkPathsOutput(NamedTuple):
    """Landmarks of a graph and the length of the shortest path from each of them to every node."""

    landmarks: Int[np.ndarray, " m"]
    """The landmarks, shape (m,), in the order in which they were chosen."""
    distance: Float[np.ndarray, "m n"]
    """Path lengths, shape (m, n), in the unit of the edges."""


def landmark_paths(graph: csr_array, count: int) -> LandmarkPathsOutput:
    """Farthest-point landmarks of a connected graph with their shortest paths, one Dijkstra run per landmark.

    The first is the node farthest (along the graph) from node 0, each further one that farthest from all earlier ones; ties go
    to the lower index.

    Args:
        graph: Symmetric distances on edges, (n, n), positive.
        count: How many landmarks, at least 1; at most n are returned.

    Returns:
        ``landmarks`` (m,) and ``distance`` (m, n).

    Raises:
        InputError: If some node cannot be reached.

    Source: farthest-point sampling as in de Silva and Tenenbaum, "Sparse multidimensional scaling using landmark
    points" (2004), with the metric of the graph.
    """
    first = _from(graph, 0)
    unreached = int(np.isinf(first).sum())
    expect(
        unreached == 0,
        f"expected a connected graph, found {unreached} nodes without a path; add edges that link the parts.",
    )
    index = [int(np.argmax(first))]
    rows = []
    nearest = np.full(graph.shape[0], np.inf)
    for _ in range(min(count, graph.shape[0])):
        rows.append(_from(graph, index[-1]))
        nearest = np.minimum(nearest, rows[-1])
        # A chosen landmark is never chosen again, even where duplicates leave nothing but zeros.
        nearest[index[-1]] = -1.0
        index.append(int(np.argmax(nearest)))
    return LandmarkPathsOutput(np.array(index[:-1]), np.stack(rows))


def _from(graph: csr_array, node: int) -> Float[np.ndarray, " n"]:
    # Symmetric as it is: undirected, SciPy would walk a transposed copy as well.
    return np.asarray(dijkstra(graph, directed=True, indices=np.array([node]))[0])


def landmark_mds(index: Int[np.ndarray, " m"], distance: Float[np.ndarray, "m n"]) -> Float[np.ndarray, "n 2"]:
    r"""Plane coordinates from distances to landmarks: classical scaling, then triangulation of every node.

    .. math:: x_i = -\tfrac12 L^{+} (\delta_i - \bar\delta)

    with :math:`\delta_i` the squared distances of node i to the landmarks, :math:`\bar\delta` their mean over the
    landmarks and :math:`L = \Lambda^{1/2} U^T` of the doubly centred landmark matrix. Exact for distances in the plane
    (up to a rigid motion).

    Args:
        index: Nodes that are the landmarks, shape (m,).
        distance: Their distances to all nodes, shape (m, n), finite.

    Returns:
        Coordinates, shape (n, 2); a direction that the distances do not span is zero. Signs are fixed: the entry of
        largest size of each landmark eigenvector is positive.

    Source: de Silva and Tenenbaum (2004), "Sparse multidimensional scaling using landmark points".
    """
    squared = np.asarray(distance, dtype=np.float64) ** 2
    among = squared[:, index]
    among = (among + among.T) / 2
    mean = among.mean(axis=1)
    gram = -0.5 * (among - mean[:, None] - mean[None, :] + mean.mean())
    value, vector = np.linalg.eigh(gram)
    pos = np.zeros((squared.shape[1], 2))
    for axis in range(min(2, len(index))):
        strength, direction = value[-1 - axis], vector[:, -1 - axis]
        if strength > 1e-12 * max(float(among.max(initial=0.0)), 1e-300):
            direction = direction * np.sign(direction[np.argmax(np.abs(direction))])
            pos[:, axis] = -0.5 * (direction @ (squared - mean[:, None])) / np.sqrt(strength)
    return pos

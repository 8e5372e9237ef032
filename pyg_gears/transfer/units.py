"""Connected pieces of contours: the units that are transferred, instead of pixels."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

TOUCH = 1.5
"""Nodes within this many spacings touch: on a pixel grid the eight around a pixel."""


def units_of(
    nodes: Bool[Tensor, " n"], pos: Float[Tensor, "n 2"], spacing: float, least: int
) -> list[Int[Tensor, " _"]]:
    """The connected pieces of a set of nodes.

    Args:
        nodes: The set, shape (n,).
        pos: Places, shape (n, 2).
        spacing: Of neighbours; nodes within 1.5 spacings touch.
        least: Nodes that a piece has at least; smaller ones are left out.

    Returns:
        The nodes of each piece, pieces in the order of their centroids: by the first coordinate, then the second.
    """
    index = nodes.nonzero().flatten().numpy()
    if not index.size:
        return []
    points = pos[nodes].double().numpy()
    pair = cKDTree(points).query_pairs(TOUCH * spacing, output_type="ndarray")
    m = len(index)
    count, label = connected_components(
        coo_array((np.ones(len(pair)), (pair[:, 0], pair[:, 1])), shape=(m, m)), directed=False
    )
    size = np.bincount(label, minlength=count)
    centre = np.stack([np.bincount(label, points[:, axis]) for axis in (0, 1)]) / size
    order = np.lexsort(np.round(centre[::-1] / spacing, 6))
    by_label = np.split(np.argsort(label, kind="stable"), np.cumsum(size)[:-1])
    return [torch.from_numpy(index[by_label[piece]]) for piece in order if size[piece] >= least]


def low_gate(activity: Float[Tensor, " n"], contours: Bool[Tensor, " n"], share: float) -> Bool[Tensor, " n"]:
    """The contour nodes at which the graph's own activation is weak.

    Args:
        activity: Self-activation of the contours, shape (n,).
        contours: Contour nodes, shape (n,).
        share: Share of the contour nodes that counts as weak, in (0, 1].

    Returns:
        Mask (n,).
    """
    level = torch.quantile(activity[contours], share)
    slack = 1e-7 * activity[contours].abs().max()
    return contours & (activity <= level + slack)


def seeded_units(
    activity: Float[Tensor, " n"],
    contours: Bool[Tensor, " n"],
    pos: Float[Tensor, "n 2"],
    spacing: float,
    *,
    seeds: int,
    least: int,
) -> list[Int[Tensor, " _"]]:
    """Contour nodes around the strongest ones: each seed fills along the contours until it meets another's fill.

    Seeds are chosen by activation, strongest first, each at least three times the size of a smallest unit away from those
    before it, so that they do not stand side by side.

    Args:
        activity: Self-activation, shape (n,).
        contours: Contour nodes, shape (n,).
        pos: Places, shape (n, 2).
        spacing: Of neighbours.
        seeds: Number of seeds at most.
        least: Nodes that a fill has at least.

    Returns:
        The nodes of each fill, strongest seed first.
    """
    from scipy.sparse.csgraph import dijkstra

    index = contours.nonzero().flatten()
    points = pos[contours].double().numpy()
    tree = cKDTree(points)
    pair = tree.query_pairs(TOUCH * spacing, output_type="ndarray")
    m, apart = len(index), 3 * spacing * least
    chosen: list[int] = []
    step = np.linalg.norm(points[pair[:, 0]] - points[pair[:, 1]], axis=1)
    graph = coo_array((step, (pair[:, 0], pair[:, 1])), shape=(m, m)).tocsr()
    free = np.ones(m, dtype=bool)
    strength = np.round(activity[contours].numpy() / float(activity[contours].abs().max()), 9)
    for node in np.lexsort((points[:, 1], points[:, 0], -strength)):
        if free[node] and len(chosen) < seeds:
            chosen.append(int(node))
            free[tree.query_ball_point(points[node], apart)] = False
    distance, _, nearest = dijkstra(graph, directed=False, indices=chosen, min_only=True, return_predecessors=True)
    fills = [index[torch.from_numpy((nearest == node) & np.isfinite(distance))] for node in chosen]
    return [fill for fill in fills if len(fill) >= least]

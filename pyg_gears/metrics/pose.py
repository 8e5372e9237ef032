"""Agreement of shapes after the best similarity: Procrustes disparity, sliced Wasserstein, spacing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from pyg_gears.geometry import similarity_procrustes
from pyg_gears.metrics.layout_pair import LayoutLike, LayoutPair, in_gauge, layout_pair

SPACING_NEIGHBORS = 20
DIRECTIONS = 64


class PoseAgreement(NamedTuple):
    """Procrustes disparity in [0, 1], SWD and W1 of neighbour distances in RMS radii; smaller is better."""

    procrustes: float
    swd: float
    w1_knn: float


def pose_agreement(pos: LayoutLike, truth: LayoutLike) -> PoseAgreement:
    r"""Compare the two clouds: cell by cell, as shapes, and by their spacing.

    * Procrustes disparity: what the best similarity (mirrors included) leaves of the truth's sum of squares.
    * SWD: after that alignment both clouds at RMS radius 1,
      :math:`\sqrt{\mathrm{mean}_\theta W_2^2(\theta^T X, \theta^T X^*)}` over 64 evenly spaced directions, so nothing
      is drawn at random. It compares clouds, not cells.
    * W1(kNN): 1-Wasserstein distance between the distributions of the distances of each cell to its 20 nearest
      others (all n * 20 of them), both clouds at RMS radius 1.

    Args:
        pos: Predicted layout, shape (n, 2).
        truth: True layout, shape (n, 2).

    Returns:
        The three numbers, 0 for a perfect layout.

    Source: Bonneel et al., Sliced and Radon Wasserstein barycenters of measures, 2015.
    """
    from scipy.stats import wasserstein_distance

    pair = layout_pair(pos, truth)
    fit = similarity_procrustes(torch.from_numpy(pair.pos), torch.from_numpy(pair.truth), allow_reflection=True)
    turned = in_gauge(pair.pos @ fit.rotation.numpy())
    angle = np.arange(DIRECTIONS) * np.pi / DIRECTIONS
    direction = np.stack([np.cos(angle), np.sin(angle)])
    gap = np.sort(turned @ direction, axis=0) - np.sort(pair.truth @ direction, axis=0)
    spacing = wasserstein_distance(neighbor_distances(pair.pos), neighbor_distances(pair.truth))
    return PoseAgreement(float(fit.disparity), float(np.sqrt(np.square(gap).mean())), float(spacing))


def align(pos: LayoutLike, truth: LayoutLike) -> LayoutPair:
    """Both layouts for drawing: the truth in the gauge, the prediction moved onto it by the best similarity."""
    pair = layout_pair(pos, truth)
    fit = similarity_procrustes(torch.from_numpy(pair.pos), torch.from_numpy(pair.truth), allow_reflection=True)
    return LayoutPair(fit.aligned.numpy(), pair.truth)


def neighbor_distances(pos: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, " nk"]:
    """Distances of every cell to its k nearest other cells, flat, shape (n * k,); k is 20, at most n - 1."""
    from scipy.spatial import cKDTree

    k = min(SPACING_NEIGHBORS, len(pos) - 1)
    distance, _ = cKDTree(pos).query(pos, k=np.arange(2, k + 2))
    return np.asarray(distance).reshape(-1)

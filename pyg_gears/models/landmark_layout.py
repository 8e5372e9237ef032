"""Coordinates from the distances of a few landmarks to all nodes, in closed form and with a gradient."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.geometry import farthest_points
from pyg_gears.nn.top_eigenpairs import eigenpairs_or_nan

LEAST_RATIO = 1e-4


def landmark_layout(square: Float[Tensor, "l n"], landmarks: Int[Tensor, " l"]) -> Float[Tensor, "n 2"]:
    r"""Landmark MDS: classical scaling of the landmarks, and the Nystroem extension to all nodes.

    .. math::
        B = -\tfrac12 J D_{LL} J \approx U \Lambda U^T, \qquad
        x_i = -\tfrac12 \Lambda^{-1/2} U^T (\delta_i - \bar\delta)

    with :math:`\delta_i` the squared distances of node i to the landmarks. The second eigenvalue counts as at least 1e-4 of the
    first. Computed in float64.

    Args:
        square: *Squared* distances of each landmark to every node, shape (l, n), l at least 2.
        landmarks: The landmarks among the nodes, shape (l,).

    Returns:
        Coordinates, shape (n, 2), of a pose of their own.

    Source: de Silva and Tenenbaum, Sparse multidimensional scaling using landmark points (2004).
    """
    wide = square.double()
    own = wide[:, landmarks]
    own = 0.5 * (own + own.T)
    mean = own.mean(dim=1, keepdim=True)
    gram = -0.5 * (own - mean - mean.T + mean.mean())
    values, vectors = eigenpairs_or_nan(gram, 2)
    top = values[:1].clamp(min=1e-12)
    scale = torch.maximum(values, LEAST_RATIO * top).rsqrt()
    # The mean row of the landmarks' own block, so that landmarks are placed where classical scaling has them.
    return (-0.5 * (wide - mean).T @ vectors * scale).to(square.dtype)


def central_landmarks(state: Float[Tensor, "n c"], count: int) -> Int[Tensor, " l"]:
    """Farthest points of a state, the first of them the farthest from the mean: the same nodes however they are numbered.

    Args:
        state: Node states of one graph, shape (n, c).
        count: Number of landmarks, clipped to n.
    """
    state = state.detach().double()
    first = int((state - state.mean(dim=0)).square().sum(dim=1).argmax())
    return farthest_points(state, count, first)

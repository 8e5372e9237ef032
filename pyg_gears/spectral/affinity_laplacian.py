"""The graph Laplacian whose edges are strong where the node signal is alike."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array, csr_array, diags_array, eye_array
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.geometry.check_finite import check_finite
from pyg_gears.graphs import checked_edges

BANDWIDTH = 0.1
"""Default bandwidth as a share of the largest difference along an edge: in a drawing every contour is cut."""

FLOOR = 1e-3
"""The least affinity of an edge."""


def affinity(
    signal: Float[Tensor, "n c"],
    edge_index: Int[Tensor, "2 e"],
    *,
    bandwidth: float | None = None,
) -> Float[Tensor, " e"]:
    r"""How alike the ends of every edge are.

    .. math:: w_{ij} = \max\bigl(e^{-\|s_i - s_j\|^2 / 2 b^2}, 10^{-3}\bigr)

    Args:
        signal: Signal s of the nodes, shape (n, c), finite.
        edge_index: Edges, shape (2, e).
        bandwidth: b > 0, in the unit of the signal; a tenth of the largest difference along an edge if omitted. For noisy
            signals, where all differences are of one size, their root mean square is the better choice.

    Returns:
        Affinities (e,) in [0.001, 1], float64: a connected graph stays connected.

    Raises:
        InputError: for a signal that is not finite, or a bandwidth that is not positive.

    Source: Shi and Malik, Normalized cuts and image segmentation, 2000, without their factor of distance: the graph says
        who is near.
    """
    check_finite(signal=signal)
    values = signal.double()
    square = (values[edge_index[0]] - values[edge_index[1]]).square().sum(dim=1)
    if bandwidth is None:
        largest = float(square.max()) if square.numel() else 0.0
        bandwidth = BANDWIDTH * largest**0.5 or 1.0
    expect(
        0 < bandwidth < float("inf"),
        f"expected a positive bandwidth, found {bandwidth:g}; give it the unit of the signal.",
    )
    return torch.exp(-square / (2 * bandwidth**2)).clamp(min=FLOOR)


def affinity_laplacian(
    signal: Float[Tensor, "n c"],
    edge_index: Int[Tensor, "2 e"],
    *,
    bandwidth: float | None = None,
    nodes: Bool[Tensor, " n"] | None = None,
) -> csr_array:
    r"""The normalised Laplacian of the affinities.

    .. math:: L = I - D^{-1/2} W D^{-1/2}, \quad d_i = \textstyle\sum_j w_{ij}

    Edges count once, whichever way they point and however often they stand there; self-loops do not count. A node without
    an edge has the row of I: its eigenvalue is 1, and the lowest eigenvectors are zero there.

    Args:
        signal: Signal of the nodes, shape (n, c), finite.
        edge_index: Edges of any graph (pixel grid, kNN), shape (2, e); whatever
            :func:`pyg_gears.graphs.checked_edges` takes.
        bandwidth: As for :func:`affinity`.
        nodes: The *boundary-only* variant: edges are kept between these nodes only, shape (n,). All if omitted.

    Returns:
        L (n, n), sparse, symmetric, eigenvalues in [0, 2], on the CPU, without a gradient.

    Raises:
        InputError: for edges that are none of this graph's; and as for :func:`affinity`.
    """
    n = signal.size(0)
    edge_index = checked_edges(edge_index, n)
    low, high = edge_index.amin(dim=0), edge_index.amax(dim=0)
    kept = low != high
    if nodes is not None:
        kept &= nodes[low] & nodes[high]
    code = torch.unique(low[kept] * n + high[kept])
    once = torch.stack([code // n, code % n])
    weight = affinity(signal.detach(), once, bandwidth=bandwidth).cpu().numpy()
    first, second = once.cpu().numpy().astype(np.int32)
    half = coo_array((weight, (first, second)), shape=(n, n)).tocsr()
    adjacency = csr_array(half + half.T)
    degree: np.ndarray = np.asarray(adjacency.sum(axis=1)).reshape(-1)
    root = diags_array(1 / np.sqrt(np.where(degree > 0, degree, 1.0)))
    return csr_array(eye_array(n) - root @ adjacency @ root)

"""Thicker lines: diffusion of strong fragments, or scatter across the line."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from torch import Tensor

from pyg_gears.spectral import heat
from pyg_gears.transfer.composition import SparseBuffer
from pyg_gears.transfer.fragments import Fragment


def scatter_across(fragment: Fragment, strength: Float[Tensor, " N"], width: float, spacing: float) -> Fragment:
    """A fragment whose nodes are repeated on both sides of the line, the farther the stronger they are.

    Args:
        fragment: The line.
        strength: In [0, 1] for each node, e.g. its gate, shape (N,).
        width: Farthest repetition, in spacings.
        spacing: Of the nodes.

    Returns:
        The fragment with more nodes, in the colours of those that they repeat; length, axis and centroid stay those of the
        line.
    """
    points = fragment.pos.numpy()
    _, near = cKDTree(points).query(points, k=np.arange(1, min(9, len(points)) + 1))
    around = torch.from_numpy(points[near])
    around = around - around.mean(dim=1, keepdim=True)
    covariance = around.transpose(1, 2) @ around
    normal = torch.linalg.eigh(covariance).eigenvectors[:, :, 0]
    pos, origin = [fragment.pos], [torch.arange(len(points))]
    for number in range(1, int(width + 0.5) + 1):
        strong = (strength * width >= number - 0.5).nonzero().flatten()
        for sign in (-1, 1):
            pos.append(fragment.pos[strong] + sign * number * spacing * normal[strong])
            origin.append(strong)
    index = torch.cat(origin)
    return fragment._replace(pos=torch.cat(pos), colors=fragment.colors[index], nodes=fragment.nodes[index])


def heat_dilation(buffer: SparseBuffer, laplacian: csr_array, width: float, strength: float) -> SparseBuffer:
    r"""A buffer that covers the nodes to which its heat has spread.

    .. math:: h = e^{-tL} w, \quad t = b^2 / 2, \quad \text{covered where } h > \tfrac14 \max h

    with :math:`b` the width times the strength: a weak fragment stays as it is. Colours are the mean of the heat that arrives.

    Args:
        buffer: What is written.
        laplacian: Of the target's graph without regard to its signal, shape (n, n).
        width: b, in edges.
        strength: In [0, 1].

    Returns:
        A buffer with the same nodes and those around them, weights 1.
    """
    time = (width * strength) ** 2 / 2
    if time < 1e-3 or not len(buffer.nodes):
        return buffer
    n = laplacian.shape[0]
    lit = torch.zeros(n, 1 + buffer.colors.size(1), dtype=torch.float64)
    lit[buffer.nodes] = torch.cat([buffer.weight[:, None], buffer.weight[:, None] * buffer.colors], dim=1)
    warm = heat(laplacian, lit, time)
    more = warm[:, 0] > 0.25 * warm[:, 0].max()
    more[buffer.nodes] = False
    extra = more.nonzero().flatten()
    return SparseBuffer(
        torch.cat([buffer.nodes, extra]),
        torch.cat([buffer.colors, warm[extra, 1:] / warm[extra, :1]]),
        torch.cat([buffer.weight, torch.ones(len(extra), dtype=torch.float64)]),
        torch.cat([buffer.origin, torch.zeros(len(extra), dtype=torch.long)]),
    )

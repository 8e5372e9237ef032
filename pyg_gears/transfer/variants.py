"""The alternatives to copied fragments: target geometry with sample colours, spectral warp, cross term for gating only."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import cKDTree
from torch import Tensor

from pyg_gears.transfer.colors import match_colors
from pyg_gears.transfer.composition import SparseBuffer
from pyg_gears.transfer.fragments import Fragment


def recolored_in_place(
    destination: Fragment, unit: Fragment, target_phi: Float[Tensor, "n k"], aligned: Float[Tensor, "m k"]
) -> SparseBuffer:
    """A: the target keeps its shape; each of its nodes takes the colour of the spectrally nearest node of the unit.

    Args:
        destination: Unit of the target.
        unit: Unit of the sample.
        target_phi: Basis of the target, shape (n, k).
        aligned: The sample's basis on it, shape (m, k).

    Returns:
        Colours for the destination's nodes.
    """
    tree = cKDTree(aligned[unit.nodes].numpy())
    origin = torch.from_numpy(tree.query(target_phi[destination.nodes].numpy())[1])
    weight = torch.ones(len(origin), dtype=torch.float64)
    return SparseBuffer(destination.nodes, unit.colors[origin], weight, origin)


def warped(
    destination: Fragment,
    unit: Fragment,
    target_phi: Float[Tensor, "n k"],
    aligned: Float[Tensor, "m k"],
    target: cKDTree,
) -> SparseBuffer:
    """B: every node of the unit goes to the spectrally nearest node of the target around the destination.

    Args:
        destination: Unit of the target.
        unit: Unit of the sample.
        target_phi: Basis of the target, shape (n, k).
        aligned: The sample's basis on it, shape (m, k).
        target: Tree of the target's places; nodes within half the unit's length are in reach.

    Returns:
        Colours for the nodes that were hit; of several that meet at one node the first writes.
    """
    reach = max(unit.length, destination.length) / 2
    near = np.sort(np.array(target.query_ball_point(destination.centroid.numpy(), reach), dtype=np.int64))
    if not len(near):
        near = destination.nodes.numpy()
    hit = near[cKDTree(target_phi[torch.from_numpy(near)].numpy()).query(aligned[unit.nodes].numpy())[1]]
    nodes, origin = np.unique(hit, return_index=True)
    index = torch.from_numpy(origin)
    weight = torch.ones(len(index), dtype=torch.float64)
    return SparseBuffer(torch.from_numpy(nodes), unit.colors[index], weight, index)


def shadow(destination: Fragment, unit: Fragment) -> Fragment:
    """C: what self-attention would place, the destination's own shape, in colours that are moved to those of the unit.

    Args:
        destination: Unit of the target.
        unit: Unit of the sample.

    Returns:
        The destination with other colours.
    """
    return destination._replace(colors=match_colors(destination.colors, unit.colors))


def passes_gate(cross: Float[Tensor, " m"]) -> Tensor:
    """C: which destinations have an affinity to their unit of at least the mean over all of them, shape (m,)."""
    return cross >= cross.mean() - 1e-9 * cross.abs().max()

"""Sparse buffers: what is written where, collected first and composed once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from pyg_gears.transfer.fragments import Fragment
from pyg_gears.transfer.motions import turn_vectors


class SparseBuffer(NamedTuple):
    """Colours (M, c) for nodes (M,) of the target, with a weight (M,) in [0, 1]; ``origin`` is the row of the fragment."""

    nodes: Int[Tensor, " M"]
    colors: Float[Tensor, "M c"]
    weight: Float[Tensor, " M"]
    origin: Int[Tensor, " M"]


def rasterise(
    fragment: Fragment,
    turn: Float[Tensor, " 2"],
    centre: Float[Tensor, " 2"],
    target: cKDTree,
    spacing: float,
) -> SparseBuffer:
    """The nodes of the target that a placed fragment covers.

    Every node of the fragment stands for a square cell, turned with it; a node of the target is covered by the cell it
    lies in. So area is kept on the average of rotations, without holes. Cells are half open: a node on a border is in one.

    Args:
        fragment: The shape.
        turn: Cosine and sine of its rotation.
        centre: Where its centroid goes.
        target: Tree of the target's places.
        spacing: Side of the cells.

    Returns:
        Colours of the covered nodes, with weight 1.
    """
    reach = float(fragment.pos.norm(dim=1).max()) + spacing
    near = np.sort(np.array(target.query_ball_point(centre.numpy(), reach), dtype=np.int64))
    offset = torch.from_numpy(target.data[near]) - centre - 1e-6 * spacing * torch.tensor([1.0, 0.7])
    back = turn_vectors(offset, turn * torch.tensor([1.0, -1.0]))
    distance, cell = cKDTree(fragment.pos.numpy()).query(back.numpy(), p=np.inf)
    covered = distance <= spacing / 2
    origin = torch.from_numpy(cell[covered])
    return SparseBuffer(
        torch.from_numpy(near[covered]), fragment.colors[origin], torch.ones(len(origin), dtype=torch.float64), origin
    )


def compose(signal: Float[Tensor, "n c"], buffers: Sequence[SparseBuffer], blend: float = 1.0) -> Float[Tensor, "n c"]:
    r"""The target's signal with all buffers written into it, in one step.

    .. math:: s_i' = (1 - a w_i) s_i + a w_i c_i

    Where several write the same node the one of the largest weight does, the first of equals; none reads what another wrote.

    Args:
        signal: Signal of the target, shape (n, c); left as it is.
        buffers: What to write.
        blend: a in (0, 1].

    Returns:
        New signal (n, c).
    """
    if not buffers:
        return signal.clone()
    nodes, weight = torch.cat([b.nodes for b in buffers]), torch.cat([b.weight for b in buffers])
    colors = torch.cat([b.colors for b in buffers])
    # Stable: of a node's writers the heaviest comes first, then the earliest.
    order = torch.from_numpy(np.lexsort((np.arange(len(nodes)), -weight.numpy(), nodes.numpy())))
    first = torch.ones(len(order), dtype=torch.bool)
    first[1:] = nodes[order][1:] != nodes[order][:-1]
    chosen = order[first]
    share = blend * weight[chosen, None]
    result = signal.clone()
    result[nodes[chosen]] = (1 - share) * signal[nodes[chosen]] + share * colors[chosen]
    return result

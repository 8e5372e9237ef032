"""One step of coordinates towards given distances."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.graphs.segment_softmax import segment_sum

EPS = 1e-6


def spring_step(
    pos: Float[Tensor, "n 2"],
    edge_index: Int[Tensor, "2 e"],
    distance: Float[Tensor, " e"],
    weight: Float[Tensor, " e"],
    step: float | Tensor = 1.0,
) -> Float[Tensor, "n 2"]:
    r"""Move every node to where its springs would have it, a share of the way.

    .. math:: x_i' = x_i + \eta\, \frac{\sum_j w_{ij} (1 - d_{ij} / \|x_i - x_j\|)(x_j - x_i)}{\sum_j w_{ij}}

    A damped Jacobi step of stress majorisation, linear in the edges and without a linear system. Equivariant under motions and
    mirrors; a node without a weight stays.

    Args:
        pos: Coordinates, shape (n, 2).
        edge_index: Springs, [0] = source j, [1] = target i, shape (2, e).
        distance: Rest length d of each, shape (e,), in the unit of ``pos``.
        weight: What each counts, shape (e,), >= 0; 0 on self-loops.
        step: Share eta of the way.

    Source: Gansner, Koren, North, Graph drawing by stress majorization (2005), section 2.3, with the old place of the others.
    """
    source, target = edge_index
    towards = pos[source] - pos[target]
    # The root's gradient stays finite where two nodes coincide; EPS squared is zero in float16.
    least = max(EPS**2, torch.finfo(pos.dtype).tiny)
    length = (towards.square().sum(dim=1) + least).sqrt()
    pull = (weight * (1 - distance / length))[:, None] * towards
    total = segment_sum(weight, target, pos.size(0))
    moved = torch.zeros_like(pos).index_add(0, target, pull)
    return pos + step * moved / total.clamp(min=torch.finfo(total.dtype).tiny)[:, None]

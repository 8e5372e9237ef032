"""Distances whose gradient stays finite where two points coincide."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

LEAST_SQUARE = 1e-12


def edge_squared_distance(pos: Float[Tensor, "n d"], edge_index: Int[Tensor, "2 e"]) -> Float[Tensor, " e"]:
    """Squared distance of the end points of every edge: ``||x_i - x_j||^2``, shape (e,)."""
    # index_select rather than pos[...]: its gradient is one kernel on a GPU.
    a, b = pos.index_select(0, edge_index[1]), pos.index_select(0, edge_index[0])
    return (a - b).square().sum(dim=-1)


def edge_distance(pos: Float[Tensor, "n d"], edge_index: Int[Tensor, "2 e"]) -> Float[Tensor, " e"]:
    r"""Distance of the end points of every edge, at least 1e-6 (in float16 0.008), with zero gradient at coincidence.

    .. math:: d_{ij} = \sqrt{\max(\|x_i - x_j\|^2, 10^{-12})}

    Args:
        pos: Coordinates, shape (n, d).
        edge_index: Edges, shape (2, e).

    Returns:
        Distances, shape (e,), unit of ``pos``.
    """
    return edge_squared_distance(pos, edge_index).clamp(min=max(LEAST_SQUARE, torch.finfo(pos.dtype).tiny)).sqrt()

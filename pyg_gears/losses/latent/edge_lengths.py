"""Distances to the true nearest neighbours, in the logarithm."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.losses.latent.shape import shape_of
from pyg_gears.targets.near_in_set import near_in_set

TINY = 1e-8
"""Added to squared distances under a logarithm."""


def edge_log_error(
    v: Float[Tensor, "b m d"], target: Float[Tensor, "b m e"], mask: Bool[Tensor, "b m"] | None = None, k: int = 15
) -> Float[Tensor, " b"]:
    r"""Mean over the edges i -> j of the true kNN graph of :math:`(\log |s_i - s_j| - \log |t_i - t_j|)^2`, on shapes.

    The size of ``v`` has no gradient.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, e).
        mask: Places that hold a point, shape (b, m); all if omitted.
        k: Neighbours.
    """
    s, t = shape_of(v, mask, fixed_size=True), shape_of(target, mask)
    difference, edge = _log_ratio(s, t, mask, k)
    return _mean((0.5 * difference).square(), edge)


def local_scale_error(
    v: Float[Tensor, "b m d"],
    target: Float[Tensor, "b m e"],
    mask: Bool[Tensor, "b m"] | None = None,
    k: int = 15,
    limit: float = 2.0,
) -> Float[Tensor, " b"]:
    r"""Mean over these edges of :math:`\mathrm{clip}(\log |v_i - v_j|^2 - \log |y_i - y_j|^2, \pm 2)^2`: sizes as they are.

    Args:
        v: Points of padded sets, shape (b, m, d), in the unit of the target.
        target: True factors, shape (b, m, e).
        mask: Places that hold a point, shape (b, m); all if omitted.
        k: Neighbours.
        limit: Where the difference is cut off.
    """
    difference, edge = _log_ratio(v, target, mask, k)
    return _mean(difference.clamp(-limit, limit).square(), edge)


def true_edges(
    target: Float[Tensor, "b m e"], mask: Bool[Tensor, "b m"] | None, k: int
) -> tuple[Int[Tensor, "b m k"], Bool[Tensor, "b m k"]]:
    """Places of the k nearest in truth, and which of them are edges: between two nodes, of sets large enough."""
    distance, index = near_in_set(target, mask, k)
    edge = distance.isfinite()
    return index, edge if mask is None else edge & mask[..., None]


def _log_ratio(v: Tensor, target: Tensor, mask: Tensor | None, k: int) -> tuple[Tensor, Tensor]:
    """Log ratio of the squared lengths of the true edges, and which are edges, shape (b, m, k)."""
    index, edge = true_edges(target, mask, k)
    row = torch.arange(v.size(0), device=v.device)[:, None, None]
    # A length of zero has no direction to grow in: its gradient is zero, not infinite.
    lengths = [(x[row, index] - x[:, :, None]).square().sum(dim=3) + TINY for x in (v, target)]
    return lengths[0].log() - lengths[1].log(), edge


def _mean(values: Tensor, edge: Tensor) -> Tensor:
    return (values * edge).sum(dim=(1, 2)) / edge.sum(dim=(1, 2)).clamp(min=1)

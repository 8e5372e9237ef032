"""Distances to the true nearest neighbours, in the logarithm."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.losses.latent.shape import shape_of
from pyg_gears.losses.latent.true_edges import TrueEdges

TINY = 1e-8
"""Added to squared distances under a logarithm."""


def edge_log_error(
    v: Float[Tensor, "b m d"],
    target: Float[Tensor, "b m e"],
    edges: TrueEdges,
    mask: Bool[Tensor, "b m"] | None = None,
) -> Float[Tensor, " b"]:
    r"""Mean over the true edges i -> j of :math:`(\log |s_i - s_j| - \log |t_i - t_j|)^2`, on shapes.

    The size of ``v`` has no gradient.

    Args:
        v: Points of padded sets, shape (b, m, d).
        target: True factors, shape (b, m, e).
        edges: The true edges.
        mask: Places that hold a point, shape (b, m); all if omitted.
    """
    s, t = shape_of(v, mask, fixed_size=True), shape_of(target, mask)
    return edges.mean((0.5 * _log_ratio(s, t, edges)).square())


def local_scale_error(
    v: Float[Tensor, "b m d"], target: Float[Tensor, "b m e"], edges: TrueEdges
) -> Float[Tensor, " b"]:
    r"""Mean over these edges of :math:`\mathrm{clip}(\log |v_i - v_j|^2 - \log |y_i - y_j|^2, \pm 2)^2`: sizes as they are.

    Args:
        v: Points of padded sets, shape (b, m, d), in the unit of the target.
        target: True factors, shape (b, m, e).
        edges: The true edges.
    """
    return edges.mean(_log_ratio(v, target, edges).clamp(-2.0, 2.0).square())


def _log_ratio(v: Tensor, target: Tensor, edges: TrueEdges) -> Tensor:
    """Log ratio of the squared lengths of the edges, shape (b, m, k)."""
    row = torch.arange(v.size(0), device=v.device)[:, None, None]
    # A length of zero has no direction to grow in: its gradient is zero, not infinite.
    found, true = ((x[row, edges.index] - x[:, :, None]).square().sum(dim=3) + TINY for x in (v, target))
    return found.log() - true.log()

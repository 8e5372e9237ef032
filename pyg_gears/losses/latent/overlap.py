"""Two views of the same points: agreement of what both hold."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pyg_gears.losses.latent.shape import pair_mask
from pyg_gears.targets.orthogonal_alignment import centred_sets


class OverlapTerms(NamedTuple):
    r"""Disagreement of two views on the points that they share, a value per pair of views each.

    Attributes:
        gram: Mean squared difference of the Gram matrices, each divided by its trace.
        size: Squared logarithm of the ratio of the traces.
        neighbors: Symmetric Kullback-Leibler divergence of :math:`\mathrm{softmax}_{j \neq i}(-d_{ij}^2 / \tau)`, in nats.
    """

    gram: Float[Tensor, " p"]
    size: Float[Tensor, " p"]
    neighbors: Float[Tensor, " p"]


def overlap_terms(
    first: Float[Tensor, "p m d"],
    second: Float[Tensor, "p m d"],
    mask: Bool[Tensor, "p m"] | None = None,
    tau: float = 0.5,
) -> OverlapTerms:
    r"""Compare two views on the points that they share; the first one teaches and gets no gradient.

    .. math::
        \mathrm{mean}_{ij} (G_1 / \mathrm{tr} G_1 - G_2 / \mathrm{tr} G_2)^2_{ij}, \quad
        (\log \mathrm{tr} G_1 / \mathrm{tr} G_2)^2

    with the Gram matrices of the shared points, centred over these. Neither depends on how a view is turned.

    Args:
        first: Shared points as the first view places them, padded, shape (p, m, d).
        second: The same points, in the same order, as the second view places them.
        mask: Places that hold a point, shape (p, m); all if omitted.
        tau: Temperature of the neighbours, in squared units of the points.
    """
    pairs = pair_mask(mask, second)
    grams, traces, neighbors = [], [], []
    apart = torch.eye(second.size(1), dtype=torch.bool, device=second.device)[None] | (pairs == 0)
    for view in (first.detach(), second):
        centred = centred_sets(view, mask)
        gram = centred @ centred.transpose(1, 2)
        trace = gram.diagonal(dim1=1, dim2=2).sum(dim=1).clamp(min=1e-12)
        grams.append(gram / trace[:, None, None])
        traces.append(trace.log())
        square = torch.cdist(centred, centred, compute_mode="donot_use_mm_for_euclid_dist").square()
        neighbors.append((-square / tau).masked_fill(apart, -1e30).log_softmax(dim=2))
    count = second.size(1) if mask is None else mask.sum(dim=1)
    gap = neighbors[0] - neighbors[1]
    divergence = ((neighbors[0].exp() - neighbors[1].exp()) * gap).masked_fill(apart, 0.0)
    return OverlapTerms(
        gram=((grams[0] - grams[1]).square() * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)),
        size=(traces[0] - traces[1]).square(),
        neighbors=0.5 * divergence.sum(dim=(1, 2)) / count,
    )

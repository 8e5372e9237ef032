"""Two minisets of one slide should lay out alike what they share: four ways to say so."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.errors import expect
from pyg_gears.losses.latent import overlap_terms
from pyg_gears.losses.membership import gauged
from pyg_gears.losses.shared_points import shared_points
from pyg_gears.targets.orthogonal_alignment import centred_sets, radius

NEAREST = 0.1
"""Pairs closer than this, in radii of what is shared, count by their difference over it: there a ratio tells of noise alone."""


class OverlapConsistency(NamedTuple):
    """Disagreement of the views of a batch in four forms, scalars >= 0; all 0 in a batch without views.

    Attributes:
        ratio: Squared relative difference of distances.
        gram: Squared difference of the Gram matrices over their traces.
        size: Squared logarithm of the ratio of these traces.
        neighbors: Symmetric Kullback-Leibler divergence of softmax distances, in nats.
    """

    ratio: Float[Tensor, ""]
    gram: Float[Tensor, ""]
    size: Float[Tensor, ""]
    neighbors: Float[Tensor, ""]


def overlap_consistency(pos: Float[Tensor, "n d"], batch: Data, tau: float = 0.5) -> OverlapConsistency:
    r"""Compare the two views of each pair on the m points that they share; the first view teaches and gets no gradient.

    With d the distances among the shared points and X these points, centred, both in RMS radii of the shared points,

    .. math::
        \mathrm{ratio} &= \mathrm{mean}_{i \neq j} ((b_{ij} - a_{ij}) / \max(a_{ij}, 0.1))^2
            \quad (= (b_{ij} / a_{ij} - 1)^2 \text{ from } 0.1 \text{ on}) \\
        \mathrm{gram} &= \mathrm{mean}_{ij} (X_a X_a^T / m - X_b X_b^T / m)^2_{ij} \\
        \mathrm{size} &= (\log \mathrm{tr} X_a X_a^T / \mathrm{tr} X_b X_b^T)^2 \quad \text{each view in its own gauge} \\
        \mathrm{neighbors} &= \mathrm{mean}_i \tfrac12 (KL(p_i, q_i) + KL(q_i, p_i)),
            \quad p_i = \mathrm{softmax}_{j \neq i}(-a_{ij}^2 / \tau)

    Three of them do not depend on pose or unit of either view. ``size`` compares the shared part in the gauge, where each whole
    view has radius 1: it is true of views of one extent, as pairs of one centre nearly are.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch with ``pair_id`` and ``node_id``; pairs that share fewer than 4 points are left out.
        tau: Temperature of the neighbours, in squared radii, above 0.

    Returns:
        Means over the pairs of views.

    Raises:
        InputError: when the batch names no pairs or no nodes, or ``tau`` is not above 0.

    Source: the published losses of two views (gram, size, neighbors); the ratio as in the family's first paper, without the pairs
    that a lattice lays on top of each other.
    """
    expect(tau > 0, f"expected a temperature above 0, found {tau}; raise tau.")
    for name in ("pair_id", "node_id"):
        expect(
            isinstance(getattr(batch, name, None), Tensor),
            f"expected {name} in the batch, found none; draw minisets in pairs (MinisetDataset with views).",
        )
    members, x = gauged(pos, batch)
    shared = shared_points(batch.pair_id, batch.node_id, members.size)
    if shared is None:
        none = x.new_zeros(())
        return OverlapConsistency(none, none, none, none)
    mask = shared.mask
    first, second = (
        centred_sets(x[members.ptr[which][:, None] + place], mask)
        for which, place in ((shared.first, shared.first_place), (shared.second, shared.second_place))
    )
    first = first.detach()
    size = (radius(first, mask), radius(second, mask))
    first, second = first / size[0][:, None, None], second / size[1][:, None, None]
    terms = overlap_terms(first, second, mask, tau)
    own, theirs = (torch.cdist(v, v, compute_mode="donot_use_mm_for_euclid_dist") for v in (second, first))
    pairs = mask[:, :, None] & mask[:, None, :] & ~torch.eye(mask.size(1), dtype=torch.bool, device=x.device)
    error = ((own - theirs) / theirs.clamp(min=NEAREST)).square().masked_fill(~pairs, 0.0)
    return OverlapConsistency(
        ratio=(error.sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))).mean(),
        gram=terms.gram.mean(),
        size=(2 * (size[1] / size[0]).log()).square().mean(),
        neighbors=terms.neighbors.mean(),
    )

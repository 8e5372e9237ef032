"""Cross-entropy of fuzzy neighbourhoods (family F1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.losses.membership import gauged, target_edges, target_values
from pyg_gears.targets import log_affinity

NEGATIVES = 0.5
CLOSEST = 1e-6
"""Squared distance, over both bandwidths, below which two nodes count as this far: log(1 - mu) stays finite."""


def fuzzy_cross_entropy(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Cross-entropy of the memberships of true neighbours, and of pairs that are none.

    .. math:: L = -\mathrm{mean}_{kNN} [\mu \log \hat\mu + (1 - \mu) \log(1 - \hat\mu)]
        - \tfrac12\, \mathrm{mean}_{neg} \log(1 - \hat\mu)

    with the true, frozen bandwidths in :math:`\hat\mu`. It is not 0 for the true coordinates: a soft membership has an entropy,
    and a pair of the ring is a member to some degree.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch (or one graph) with ``fuzzy_edge_index``, ``fuzzy_membership``, ``fuzzy_negative_index`` and ``sigma``.

    Returns:
        Mean over graphs, a scalar >= 0 in nats, in the dtype of ``pos`` (float32 for half precision).

    Source: as :func:`~pyg_gears.targets.fuzzy_target`; the weight of the negatives is the project's.
    """
    members, x = gauged(pos, batch)
    positive = target_edges(batch, "fuzzy_edge_index", x.size(0))
    negative = target_edges(batch, "fuzzy_negative_index", x.size(0))
    truth = target_values(batch, "fuzzy_membership", positive.size(1)).to(x.dtype)
    sigma = target_values(batch, "sigma", x.size(0)).to(x.dtype)
    inside, outside = (log_affinity(x, edges, sigma).clamp(max=-CLOSEST) for edges in (positive, negative))
    entropy = -(truth * inside + (1 - truth) * _log_rest(inside))
    found = members.edge_mean(entropy, positive[1]) - NEGATIVES * members.edge_mean(_log_rest(outside), negative[1])
    return found.mean()


def _log_rest(log_membership: Tensor) -> Tensor:
    """log(1 - mu) of log mu < 0."""
    return torch.log(-torch.expm1(log_membership))

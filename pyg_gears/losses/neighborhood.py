"""Probability of picking a true neighbour: neighbourhood component analysis."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_dense_batch

from pyg_gears.losses.membership import gauged, target_edges, target_values


def neighborhood_nca(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Negative log probability that a node picks one of its true neighbours among all others.

    .. math:: L = -\mathrm{mean}_i \log \frac{\sum_{j \in kNN(i)} e^{-d_{ij}^2 / \tau}}{\sum_{j \ne i} e^{-d_{ij}^2 / \tau}}

    It is smallest where every neighbourhood has moved together and apart from the others, not at the true coordinates.

    Args:
        pos: Predicted coordinates, shape (n, d), any gauge.
        batch: Batch (or one graph) with ``near_edge_index`` and ``near_tau``.

    Returns:
        Mean over graphs, a scalar >= 0 in nats, in the dtype of ``pos`` (float32 for half precision).

    Memory: dense, (b, m, m) with m the largest graph.

    Source: as :func:`~pyg_gears.targets.neighborhood_target`. :mod:`pyg_gears.losses.latent` has the published code's form,
    the mean over neighbours of the logarithm.
    """
    members, x = gauged(pos, batch)
    source, target = target_edges(batch, "near_edge_index", x.size(0))
    tau = target_values(batch, "near_tau", members.num_graphs).to(x.dtype)
    dense, mask = to_dense_batch(x, members.batch, batch_size=members.num_graphs)
    square = (dense[:, :, None] - dense[:, None]).square().sum(dim=3)
    near = torch.zeros_like(square, dtype=torch.bool)
    graph, first = members.batch[target], members.ptr[members.batch[target]]
    near[graph, target - first, source - first] = True
    other = mask[:, None, :] & ~torch.eye(square.size(1), dtype=torch.bool, device=x.device)
    # Finite: a node without any other would make NaN.
    logits = (-square / tau[:, None, None]).masked_fill(~other, -1e30)
    inside = logits.masked_fill(~near, -1e30).logsumexp(dim=2) - logits.logsumexp(dim=2)
    counted = mask & near.any(dim=2)
    share = counted.sum(dim=1).clamp(min=1)
    return -(inside.masked_fill(~counted, 0.0).sum(dim=1) / share).mean()

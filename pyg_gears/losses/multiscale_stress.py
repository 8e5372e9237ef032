"""Multiscale stress: predicted against true distances, free of scale."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.geometry import edge_distance
from pyg_gears.losses.membership import Membership, gauged, target_edges, target_values


def log_stress(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Variance of the log distance ratio over the stress edges.

    .. math:: L = \mathrm{mean}_e (\log d_e - \log \delta_e - a)^2, \quad a = \mathrm{mean}_e (\log d_e - \log \delta_e)

    The optimal log scale a is in closed form, so the loss has no scale to learn.

    Args:
        pos: Predicted coordinates, shape (n, d).
        batch: Batch (or one graph) with ``stress_edge_index`` and ``stress_distance`` (true distances in the gauge).

    Returns:
        Mean over graphs, a scalar >= 0, in the dtype of ``pos`` (float32 for half precision).
    """
    return log_stress_per_graph(pos, batch).mean()


def log_stress_per_graph(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, " b"]:
    """:func:`log_stress` of every graph, shape (b,)."""
    members, distance, true_distance, (node, _) = _distances(pos, batch)
    # Two spots at one position have no log distance; the floor is that of the predicted distance.
    ratio = distance.log() - true_distance.clamp(min=1e-6).log()
    scale = members.edge_mean(ratio, node)
    return members.edge_mean((ratio - scale[members.batch[node]]).square(), node)


def linear_stress(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Share of the squared true distances that the best scaling of the predicted ones leaves unexplained.

    .. math:: L = \min_a \sum_e (a d_e - \delta_e)^2 / \sum_e \delta_e^2 = 1 - (\sum d \delta)^2 / (\sum d^2 \sum \delta^2)

    The square of Kruskal's stress-1, in [0, 1]. Unlike the log stress it is dominated by the long edges.

    Source: Kruskal, Multidimensional scaling by optimizing goodness of fit, 1964.
    """
    members, distance, true_distance, (node, _) = _distances(pos, batch)
    return unexplained_share(members, distance, true_distance, node).mean()


def unexplained_share(
    members: Membership, distance: Float[Tensor, " e"], true_distance: Float[Tensor, " e"], node: Int[Tensor, " e"]
) -> Float[Tensor, " b"]:
    """:func:`linear_stress` of every graph, 0 where there is nothing to explain; ``node`` is one end of each edge."""
    cross, true = members.edge_mean(distance * true_distance, node), members.edge_mean(true_distance.square(), node)
    squares = members.edge_mean(distance.square(), node) * true
    return (1 - cross.square() / squares.clamp(min=torch.finfo(distance.dtype).tiny)).masked_fill(true == 0, 0.0)


def ratio_stress(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""``mean_e (d_e / \delta_e - 1)^2`` in the gauge; a variant of :func:`log_stress` that weighs long edges more."""
    members, distance, true_distance, (node, _) = _distances(pos, batch)
    return members.edge_mean((distance / true_distance.clamp(min=1e-6) - 1).square(), node).mean()


def local_stress(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Squared errors in units of the local neighbourhood, in the gauge.

    .. math:: L = \mathrm{mean}_e (d_e - \delta_e)^2 / (\sigma_i \sigma_j)

    Source: the published local variant divides both distances by the bandwidth of one end,
        :math:`(d_e / \sigma_i - \delta_e / \sigma_i)^2`. We deviate in using the product of both ends' bandwidths, as
        the random walk does, so that the loss does not depend on the direction in which an edge is stored.
    """
    members, distance, true_distance, (source, target) = _distances(pos, batch)
    sigma = target_values(batch, "sigma", pos.size(0)).to(distance.dtype)
    unit = (sigma[source] * sigma[target]).clamp(min=1e-12)
    return members.edge_mean((distance - true_distance).square() / unit, source).mean()


def _distances(pos: Tensor, batch: Data) -> tuple[Membership, Tensor, Tensor, Tensor]:
    members, x = gauged(pos, batch)
    edge_index = target_edges(batch, "stress_edge_index", x.size(0))
    true_distance = target_values(batch, "stress_distance", edge_index.size(1)).to(x.dtype)
    return members, edge_distance(x, edge_index), true_distance, edge_index

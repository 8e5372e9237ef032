"""Terms that keep layouts from collapsing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.losses.membership import membership
from pyg_gears.targets import log_affinity, log_transitions


def repulsion(
    pos: Float[Tensor, "n d"], batch: Data, generator: torch.Generator, pairs: int = 256, tau: float = 0.01
) -> Float[Tensor, ""]:
    r"""Mean of ``exp(-||x_i - x_j||^2 / tau)`` over random pairs of different nodes of each graph, in the gauge.

    Args:
        pos: Predicted coordinates, shape (n, d).
        batch: Batch or one graph; only its membership is read.
        generator: Source of the pairs, on the CPU.
        pairs: Pairs per graph.
        tau: Range of the repulsion, squared gauge units.

    Returns:
        Mean over graphs, a scalar in [0, 1].
    """
    members = membership(batch, pos.size(0), pos.device)
    x = members.in_gauge(pos)
    u = torch.rand(2, members.num_graphs, pairs, generator=generator, dtype=torch.float64).to(pos.device)
    size = members.size[:, None]
    i = (u[0] * size).long()
    # The other node by its offset, so that a node is never paired with itself.
    j = (i + 1 + (u[1] * (size - 1).clamp(min=1)).long()) % size
    first = members.ptr[:-1, None]
    square = (x[first + i] - x[first + j]).square().sum(dim=-1)
    return torch.exp(-square / tau).mean()


def walk_entropy(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Minus the mean row entropy of T_pred, in nats (more negative = softer rows); keeps rows from becoming deltas."""
    members = membership(batch, pos.size(0), pos.device)
    x = members.in_gauge(pos)
    edge_index = batch.rw_edge_index
    affinity = log_affinity(x, edge_index, batch.sigma.to(x.dtype))
    log_t = log_transitions(affinity, batch.rw_multiplicity.to(x.dtype), edge_index, x.size(0))
    row = scatter(log_t.exp() * log_t, edge_index[1], dim_size=x.size(0))
    return members.node_mean(row).mean()

"""Terms that keep layouts from collapsing."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.errors import expect
from pyg_gears.geometry.checked_sizes import check_sizes
from pyg_gears.losses.membership import gauged, target_edges, target_values
from pyg_gears.targets import log_affinity, log_transitions


def repulsion(
    pos: Float[Tensor, "n d"], batch: Data, generator: torch.Generator, pairs: int = 256, tau: float = 0.01
) -> Float[Tensor, ""]:
    r"""Mean of ``exp(-||x_i - x_j||^2 / tau)`` over random pairs of different nodes of each graph, in the gauge.

    Args:
        pos: Predicted coordinates, shape (n, d).
        batch: Batch or one graph; only its membership is read.
        generator: Source of the pairs, on the CPU.
        pairs: Pairs per graph, at least 1.
        tau: Range of the repulsion, squared gauge units, above 0.

    Returns:
        Mean over graphs, a scalar in [0, 1]; a graph without a pair counts 0.

    Raises:
        InputError: for fewer than one pair, or a range that is not above 0.
    """
    check_sizes(pairs=pairs)
    expect(tau > 0, f"expected a range of the repulsion above 0, found {tau}; raise tau.")
    members, x = gauged(pos, batch)
    u = torch.rand(2, members.num_graphs, pairs, generator=generator, dtype=torch.float64, device="cpu").to(pos.device)
    # A graph without a pair gets indices that are valid, and no weight.
    size = members.size[:, None].clamp(min=1)
    i = (u[0] * size).long()
    # The other node by its offset, so that a node is never paired with itself.
    j = (i + 1 + (u[1] * (size - 1).clamp(min=1)).long()) % size
    first = members.ptr[:-1, None].clamp(max=max(x.size(0) - 1, 0))
    if x.size(0) == 0:
        return x.sum()
    square = (x[first + i] - x[first + j]).square().sum(dim=-1)
    return torch.exp(-square / tau).masked_fill(members.size[:, None] < 2, 0.0).mean()


def walk_entropy(pos: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Minus the mean row entropy of T_pred, in nats (more negative = softer rows); keeps rows from becoming deltas."""
    members, x = gauged(pos, batch)
    edge_index = target_edges(batch, "rw_edge_index", x.size(0))
    affinity = log_affinity(x, edge_index, target_values(batch, "sigma", x.size(0)).to(x.dtype))
    multiplicity = target_values(batch, "rw_multiplicity", edge_index.size(1)).to(x.dtype)
    log_t = log_transitions(affinity, multiplicity, edge_index, x.size(0))
    row = scatter(log_t.exp() * log_t, edge_index[1], dim_size=x.size(0))
    return members.node_mean(row).mean()

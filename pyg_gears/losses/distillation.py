"""The layout on the inferred graph drawn towards the layout that the same model gives on the true graph."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.geometry import edge_distance, gauge_fix
from pyg_gears.losses.membership import membership
from pyg_gears.targets import log_affinity, log_transitions


def distill_walk(pos: Float[Tensor, "n d"], teacher: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""``mean_i KL(T_teacher[i, :] || T_pos[i, :])``: one step of the random walk on the true support.

    Args:
        pos: Coordinates to move, shape (n, d), any gauge.
        teacher: Coordinates to follow, shape (n, d); no gradient reaches them.
        batch: Batch (or one graph) with ``rw_edge_index``, ``rw_multiplicity`` and ``sigma``.

    Returns:
        Mean over graphs, a scalar >= 0 in nats; 0 when one is a similarity transform of the other.
    """
    members = membership(batch, pos.size(0))
    edge_index, n = batch.rw_edge_index, pos.size(0)

    def log_rows(x: Tensor) -> Tensor:
        x = gauge_fix(x, members.batch, members.num_graphs)
        affinity = log_affinity(x, edge_index, batch.sigma.to(x.dtype))
        return log_transitions(affinity, batch.rw_multiplicity.to(x.dtype), edge_index, n)

    log_p, log_q = log_rows(teacher.detach()), log_rows(pos)
    row = log_q.new_zeros(n).index_add(0, edge_index[1], log_p.exp() * (log_p - log_q))
    return members.node_mean(row).mean()


def distill_distances(pos: Float[Tensor, "n d"], teacher: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Share of the teacher's squared distances that the best scaling of the own ones leaves unexplained.

    .. math:: L = 1 - (\textstyle\sum_e d_e t_e)^2 / (\sum_e d_e^2 \sum_e t_e^2)

    Args:
        pos: Coordinates to move, shape (n, d), any gauge.
        teacher: Coordinates to follow, shape (n, d); no gradient reaches them.
        batch: Batch (or one graph) with ``stress_edge_index``, the pairs that are compared.

    Returns:
        Mean over graphs, a scalar in [0, 1].
    """
    members = membership(batch, pos.size(0))
    edge_index = batch.stress_edge_index
    own, theirs = (
        edge_distance(gauge_fix(x, members.batch, members.num_graphs), edge_index) for x in (pos, teacher.detach())
    )
    cross = members.edge_mean(own * theirs, edge_index[0])
    squares = members.edge_mean(own.square(), edge_index[0]) * members.edge_mean(theirs.square(), edge_index[0])
    return (1 - cross.square() / squares.clamp(min=torch.finfo(pos.dtype).tiny)).mean()

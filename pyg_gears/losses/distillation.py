"""Distillation: the layout on the inferred graph follows the one that the same model predicts on the true graph."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.geometry import edge_distance
from pyg_gears.losses.membership import gauged, target_edges, target_values
from pyg_gears.losses.multiscale_stress import unexplained_share
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
    members, own = gauged(pos, batch)
    n = own.size(0)
    edge_index = target_edges(batch, "rw_edge_index", n)
    sigma = target_values(batch, "sigma", n)
    multiplicity = target_values(batch, "rw_multiplicity", edge_index.size(1))

    def log_rows(x: Tensor) -> Tensor:
        affinity = log_affinity(x, edge_index, sigma.to(x.dtype))
        return log_transitions(affinity, multiplicity.to(x.dtype), edge_index, n)

    log_p, log_q = log_rows(members.in_gauge(teacher.detach())), log_rows(own)
    row = scatter(log_p.exp() * (log_p - log_q), edge_index[1], dim_size=n)
    return members.node_mean(row).mean()


def distill_distances(pos: Float[Tensor, "n d"], teacher: Float[Tensor, "n d"], batch: Data) -> Float[Tensor, ""]:
    r"""Share of the teacher's squared distances that the best scaling of the distances of ``pos`` leaves unexplained.

    .. math:: L = 1 - (\textstyle\sum_e d_e t_e)^2 / (\sum_e d_e^2 \sum_e t_e^2)

    Args:
        pos: Coordinates to move, shape (n, d), any gauge.
        teacher: Coordinates to follow, shape (n, d); no gradient reaches them.
        batch: Batch (or one graph) with ``stress_edge_index``, the pairs that are compared.

    Returns:
        Mean over graphs, a scalar in [0, 1].
    """
    members, x = gauged(pos, batch)
    edge_index = target_edges(batch, "stress_edge_index", x.size(0))
    own, theirs = (edge_distance(part, edge_index) for part in (x, members.in_gauge(teacher.detach())))
    return unexplained_share(members, own, theirs, edge_index[0]).mean()

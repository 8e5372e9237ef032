"""How many of a gate's best candidates are true neighbours."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.graphs import edge_lookup
from pyg_gears.models.hard_gate import best_edges

TOP = 30


def gate_precision(gate_logits: Float[Tensor, " e"] | Float[Tensor, "e h"], batch: Data) -> Tensor:
    r"""Mean over nodes of the share of true neighbours among the candidates with the largest logits.

    .. math:: \frac1n \sum_i |A_i \cap N_i| / |A_i|

    A_i are the 30 candidates of node i by logit, without the self-loop (all of them where it has fewer), N_i its
    neighbours on the support of the random walk.

    Args:
        gate_logits: One logit per candidate edge, shape (e,), or one per head (e, h): their mean decides.
        batch: Batch of minisets with candidates and geometric targets.

    Returns:
        A number in 0..1.
    """
    n = int(batch.num_nodes or 0)
    others = batch.edge_index[0] != batch.edge_index[1]
    edge_index, gate_logits = batch.edge_index[:, others], gate_logits[others]
    best = edge_index[:, best_edges(gate_logits, edge_index, n, TOP)]
    true = edge_lookup(best, batch.rw_edge_index, n).present
    hits = scatter(true.float(), best[1], 0, n, reduce="sum")
    count = torch.bincount(best[1], minlength=n).clamp(min=1)
    return (hits / count).mean()

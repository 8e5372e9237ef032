"""How many of a gate's best candidates are true neighbours."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import scatter

from pyg_gears.graphs import edge_lookup

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
    gate_logits = gate_logits if gate_logits.dim() == 1 else gate_logits.mean(dim=1)
    source, target = batch.edge_index
    other = source != target
    source, target, logits = source[other], target[other], gate_logits[other]
    # Rank within each target: sort by logit, then stably by target.
    order = logits.argsort(descending=True, stable=True)
    order = order[target[order].argsort(stable=True)]
    count = torch.bincount(target, minlength=n)
    rank = torch.arange(order.numel(), device=order.device) - (count.cumsum(0) - count)[target[order]]
    best = order[rank < TOP]
    true = edge_lookup(torch.stack([source[best], target[best]]), batch.rw_edge_index, n).present
    hits = scatter(true.float(), target[best], 0, n, reduce="sum")
    return (hits / count.clamp(min=1, max=TOP)).mean()

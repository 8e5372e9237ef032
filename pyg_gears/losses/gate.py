"""Supervision of the gate by the true transitions on the candidate edges."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears._checks import expect
from pyg_gears.graphs.segments import segment_log_softmax
from pyg_gears.losses.membership import membership


def gate_kl(logits: Float[Tensor, " e"], batch: Data) -> Float[Tensor, ""]:
    r"""KL from the true transitions on the candidates to the gate's row softmax.

    .. math:: L_{gate} = \frac1n \sum_i \mathrm{KL}(p_i \| q_i), \quad q_i = \mathrm{softmax}_{j \in cand(i) \setminus i}(g_{ij})

    Self-edges belong to neither side. A node without a true neighbour among its candidates contributes nothing.

    Args:
        logits: Gate logits, shape (e,), one per column of ``batch.edge_index``.
        batch: Batch (or one graph) with ``edge_index`` and ``gate_target``.

    Returns:
        Mean over graphs, a scalar >= 0 in nats.

    Raises:
        InputError: when the logits belong to other edges.
    """
    source, target = batch.edge_index
    expect(
        logits.shape == source.shape,
        f"gate_kl expected one logit for each of the {source.numel()} candidate edges, found shape {tuple(logits.shape)}; "
        "pass the gate's output on batch.edge_index.",
    )
    n = int(batch.num_nodes)
    members = membership(batch, n)
    other = source != target
    index = target[other]
    log_q = segment_log_softmax(logits[other], index, n)
    p = batch.gate_target[other].to(logits.dtype)
    divergence = torch.xlogy(p, p) - p * log_q
    row = divergence.new_zeros(n).index_add(0, index, divergence)
    return members.node_mean(row).mean()

"""The candidate edges of a batch with their gate and what it should say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.errors import expect
from pyg_gears.graphs import segment_log_softmax
from pyg_gears.lab.probes.true_neighbors import TrueNeighbors, true_neighbors

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel


class GateEdges(NamedTuple):
    """Candidate edges but for self-loops, m of them, in float64.

    Attributes:
        other: Which candidate edges these are, shape (e,).
        target: Node that each edge enters, shape (m,).
        logits: Gate logits, shape (m,).
        log_q: Log-softmax of the logits over the candidates of a node, shape (m,).
        p: T_ref renormalised over the candidates of a node, shape (m,); 0 at a node without a true neighbour among them.
        true: The true neighbours.
        n: Number of nodes.
    """

    other: Bool[Tensor, " e"]
    target: Int[Tensor, " m"]
    logits: Float[Tensor, " m"]
    log_q: Float[Tensor, " m"]
    p: Float[Tensor, " m"]
    true: TrueNeighbors
    n: int


def gate_edges(model: StructureModel, batch: Any, k: int = 30) -> GateEdges:
    """Run a model on a batch and read its gate; ``k`` true neighbours of a node count as its best.

    Raises:
        InputError: when the model uses no gate.
    """
    logits = model(batch).gate_logits
    expect(logits is not None, "expected a model with a gate, found no gate logits; probe one that has a gate.")
    assert logits is not None
    n, edge_index = int(batch.num_nodes), batch.edge_index
    other = edge_index[0] != edge_index[1]
    target, logits = edge_index[1, other], shared_logits(logits)[other]
    true = true_neighbors(batch, edge_index[:, other], k)
    mass = logits.new_zeros(n).index_add(0, target, true.transition)
    p = true.transition / mass.clamp(min=torch.finfo(mass.dtype).tiny)[target]
    return GateEdges(other, target, logits, segment_log_softmax(logits, target, n), p, true, n)


def shared_logits(logits: Tensor) -> Tensor:
    """One logit an edge, in float64: the mean over the heads where there is one for each."""
    return (logits if logits.dim() == 1 else logits.mean(dim=1)).double()

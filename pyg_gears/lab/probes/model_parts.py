"""The parts of a model that only some models have: gate and attention terms, read from a forward pass."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.graphs import segment_log_softmax
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.lab.probes.true_neighbors import TrueNeighbors, true_neighbors
from pyg_gears.targets.gate import row_shares

if TYPE_CHECKING:
    from pyg_gears.models import GatedModel, StructureModel, StructureOutput


class GateEdges(NamedTuple):
    """Candidate edges without self-loops, m of them, in float64.

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


def require_gate(model: StructureModel) -> GatedModel:
    """The model, if it has a gate.

    Raises:
        NotMeasurable: when the model has no ``gate``.
    """
    if getattr(model, "gate", None) is None:
        raise NotMeasurable(f"expected a model with a gate, found {_name(model)}; probe a gated model.")
    return cast("GatedModel", model)


def attention_output(model: StructureModel, batch: Any) -> StructureOutput:
    """The layout of a batch, with the attention terms of every recycle.

    Raises:
        NotMeasurable: when the model returns no attention terms.
    """
    forward = model.forward if isinstance(model, torch.nn.Module) else model
    parameters = inspect.signature(forward).parameters.values()
    accepts = any(p.name == "return_terms" or p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    output = model(batch, return_terms=True) if accepts else None
    if output is None or output.terms is None:
        raise NotMeasurable(
            f"expected attention terms of every recycle, found none in {_name(model)}; probe an attention model."
        )
    return output


def gate_edges(model: StructureModel, batch: Any, k: int = 30) -> GateEdges:
    """Run a model on a batch and read its gate; ``k`` true neighbours of a node count as its likeliest.

    Raises:
        NotMeasurable: when the model has no gate.
    """
    require_gate(model)
    logits = model(batch).gate_logits
    assert logits is not None
    n, edge_index = int(batch.num_nodes), batch.edge_index
    other = edge_index[0] != edge_index[1]
    target, logits = edge_index[1, other], shared_logits(logits)[other]
    true = true_neighbors(batch, edge_index[:, other], k)
    p = row_shares(true.transition, target, n)
    return GateEdges(other, target, logits, segment_log_softmax(logits, target, n), p, true, n)


def shared_logits(logits: Tensor) -> Tensor:
    """One logit per edge, in float64: the mean over the heads where there is one for each."""
    return (logits if logits.dim() == 1 else logits.mean(dim=1)).double()


def _name(model: object) -> str:
    return type(model).__name__

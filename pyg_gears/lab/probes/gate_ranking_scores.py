"""Gate logits of true and of false neighbours, for histograms and precision-recall curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from pyg_gears.lab.probes.evaluation_batches import Minisets, evaluation_batches
from pyg_gears.lab.probes.gate_edges import gate_edges

if TYPE_CHECKING:
    from pyg_gears.models import StructureModel


class GateScores(NamedTuple):
    """Candidate edges for a histogram or a precision-recall curve; self-loops are left out.

    Attributes:
        logits: Gate logits, shape (s,).
        log_probability: Log of the gate's row softmax, shape (s,).
        is_true: Whether the edge joins true neighbours, shape (s,).
        target: T_ref renormalised over the candidates of the node, shape (s,).
        edges: Number of edges before thinning.
    """

    logits: Float[np.ndarray, " s"]
    log_probability: Float[np.ndarray, " s"]
    is_true: Bool[np.ndarray, " s"]
    target: Float[np.ndarray, " s"]
    edges: int


def gate_ranking_scores(
    model: StructureModel, minisets: Minisets, node_budget: int = 1024, limit: int = 50_000
) -> GateScores:
    """Logits of candidate edges, and which of them join true neighbours.

    Args:
        model: Structure model with a gate.
        minisets: Minisets with targets and candidates.
        node_budget: Most nodes of a batch.
        limit: Most edges to keep; more are thinned by even strides through the minisets in the order of their numbers.

    Raises:
        InputError: when there is no miniset, or the model uses no gate.
    """
    kept: dict[int, Float[np.ndarray, "s 4"]] = {}
    with evaluation_batches(model, minisets, node_budget) as batches:
        for ids, batch in batches:
            edges = gate_edges(model, batch)
            columns = [edges.logits, edges.log_q, edges.true.transition, edges.p]
            values = torch.stack(columns, dim=1).cpu().numpy()
            graph = batch.batch[edges.target].cpu().numpy()
            kept |= {number: values[graph == place] for place, number in enumerate(ids)}
    values = np.concatenate([kept[number] for number in sorted(kept)])
    total = len(values)
    if total > limit:
        values = values[np.linspace(0, total - 1, limit).astype(int)]
    return GateScores(values[:, 0], values[:, 1], values[:, 2] > 0, values[:, 3], total)

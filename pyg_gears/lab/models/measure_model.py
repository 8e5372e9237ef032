"""The numbers of one trained model: on validation minisets, of its samples, and on a section that it has not seen."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from pyg_gears.lab.models.joint_model import JointModel
from pyg_gears.lab.models.sample_spread import sample_spread
from pyg_gears.lab.probes.collapse_rate import collapse_rate
from pyg_gears.layout import reconstruct_layout
from pyg_gears.metrics import evaluate_layout
from pyg_gears.models import StructureModel
from pyg_gears.training.oracle import mean_energies
from pyg_gears.training.preparation import Prepared
from pyg_gears.typing import FloatArray

SAMPLED_MINISETS = 12
LAYOUT_METRICS = ("spearman", "trust_20", "recall_15", "e_geo")


def measure_model(
    model: StructureModel,
    prepared: Prepared,
    query: Float[Tensor, "n c"],
    truth: FloatArray,
    *,
    samples: int,
    seed: int,
    node_budget: int,
) -> dict[str, float]:
    """Measure a trained model; what is not defined is left out.

    Args:
        model: The model, in evaluation mode; the voters of a joint one vote on the layout of the section.
        prepared: Minisets and candidates that it was trained with.
        query: Embedding of the section that no model has seen, shape (n, c).
        truth: Its true coordinates, shape (n, 2).
        samples: Samples of each of the first validation minisets, at least two.
        seed: Seed of the layout and of the samples.
        node_budget: Most nodes of a batch.

    Returns:
        ``h_gate`` and ``t_edge``; ``collapsed``, the share of validation minisets whose layout falls short of half of the
        truth's figures; ``diversity``, ``sample_energy``, ``mean_energy`` and ``quiet_energy`` of a model that samples, on 12
        minisets; ``query spearman`` and the like; ``parameters``.
    """
    validation = prepared.validation
    found = {
        **mean_energies(model, validation, node_budget),
        "collapsed": 1 - collapse_rate(model, validation, node_budget).relative_rate,
        "parameters": float(sum(parameter.numel() for parameter in model.parameters())),
    }
    if model.samples:
        few = [validation[number] for number in range(min(SAMPLED_MINISETS, len(validation)))]
        found |= sample_spread(model, few, samples=samples, seed=seed, node_budget=node_budget)._asdict()
    voters = tuple(model.voters) if isinstance(model, JointModel) else model
    pos = reconstruct_layout(voters, query, candidates=prepared.candidates, seed=seed, progress=False).pos
    scores = evaluate_layout(pos, truth, seed=seed)
    found |= {f"query {name}": scores[name] for name in LAYOUT_METRICS}
    return {name: float(value) for name, value in found.items() if math.isfinite(value)}

"""What is measured on every trained model, and the further evaluations by name."""

from __future__ import annotations

from collections.abc import Callable

from pyg_gears.lab.experiments.direct_fits import coordinates, recycle_distillation, single_overfit
from pyg_gears.lab.experiments.interventions import (
    beta_sweep,
    hard_gate,
    logit_terms,
    recycle_energies,
    smoothing_recycles,
    step_scale,
    uniform_attention,
)
from pyg_gears.lab.experiments.trained_run import TrainedRun
from pyg_gears.lab.probes.candidate_robustness import candidate_robustness
from pyg_gears.lab.probes.collapse_rate import collapse_rate
from pyg_gears.lab.probes.gap_decomposition import gap_decomposition
from pyg_gears.lab.probes.gate_probe import gate_probe
from pyg_gears.lab.probes.negative_controls import negative_controls
from pyg_gears.layout import reconstruct_layout
from pyg_gears.metrics import evaluate_layout
from pyg_gears.training.oracle import mean_energies

Evaluation = Callable[[TrainedRun], dict[str, float]]


def measure(run: TrainedRun) -> dict[str, float]:
    """The numbers of every run, over all validation minisets.

    Returns:
        ``h_gate`` and ``t_edge`` (E_geo with gated candidates, with the true graph); ``precision`` and ``recall`` at 30,
        ``candidate_recall`` and ``gate_kl`` of the gate; ``healthy``, the share of minisets without a collapse, and
        ``healthy <measure>``, the share that passes each of its limits; ``parameters``.
    """
    validation, budget = run.prepared.validation, run.recipe.training.node_budget
    gate = gate_probe(run.model, validation, budget)
    collapse = collapse_rate(run.model, validation, budget)
    return {
        **mean_energies(run.model, validation, budget),
        "precision": gate.precision_30,
        "recall": gate.recall_30,
        "candidate_recall": gate.candidate_recall,
        "gate_kl": gate.kl,
        "healthy": collapse.rate,
        **{f"healthy {name}": share for name, share in collapse.passing.items()},
        "parameters": float(sum(parameter.numel() for parameter in run.model.parameters())),
    }


def gap(run: TrainedRun) -> dict[str, float]:
    """The gap between the true and the inferred graph, condition by condition, and what each step costs."""
    found = gap_decomposition(run.model, run.minisets, run.recipe.training.node_budget)
    return dict(found.energy) | {f"cost of {name}": cost for name, cost in found.cost.items()}


def pills(run: TrainedRun) -> dict[str, float]:
    """Energies with meaningless embeddings and graphs, and how many times worse they are."""
    budget = run.recipe.training.node_budget
    found = negative_controls(run.model, run.minisets, run.prepared.candidates, run.seed, budget)
    return {"clean": found.clean, **found.energy, **{f"factor {name}": value for name, value in found.factor.items()}}


def robustness(run: TrainedRun) -> dict[str, float]:
    """Energies with 80, 100 and 120 candidates, and their range."""
    budget = run.recipe.training.node_budget
    found = candidate_robustness(run.model, run.minisets, run.prepared.candidates, node_budget=budget)
    return {f"k {k}": energy for k, energy in found.energy.items()} | {"range": found.range}


def layout(run: TrainedRun) -> dict[str, float]:
    """The whole held-out slide, laid out from patches as cells would be, against its true positions.

    Returns:
        ``spearman`` of the pairwise distances, ``trust_20`` and ``recall_15``: means over the held-out slides.
    """
    found = []
    for slide in run.prepared.held_out:
        inside = slice(None) if slide.allowed is None else slide.allowed
        x, candidates = slide.x[inside], run.prepared.candidates
        pos = reconstruct_layout(run.model, x, candidates=candidates, seed=run.seed, progress=False).pos
        found.append(evaluate_layout(pos, slide.pos[inside].numpy()))
    return {name: sum(one[name] for one in found) / len(found) for name in ("spearman", "trust_20", "recall_15")}


EVALUATIONS: dict[str, Evaluation] = {
    "coordinates": coordinates,
    "single-overfit": single_overfit,
    "recycle-energies": recycle_energies,
    "beta-sweep": beta_sweep,
    "hard-gate": hard_gate,
    "logit-terms": logit_terms,
    "uniform-attention": uniform_attention,
    "smoothing-recycles": smoothing_recycles,
    "step-scale": step_scale,
    "recycle-distillation": recycle_distillation,
    "layout": layout,
    "gap": gap,
    "poison-pills": pills,
    "candidate-robustness": robustness,
}
"""Evaluations of a trained model, by the names that :class:`~pyg_gears.lab.experiments.Experiment` lists."""

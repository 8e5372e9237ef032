"""What is measured on every trained model, and the further evaluations by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import torch

from pyg_gears.lab.experiments.direct_fits import coordinates, recycle_distillation, single_overfit
from pyg_gears.lab.experiments.interventions import INTERVENTIONS, recycle_energies
from pyg_gears.lab.experiments.trained_run import TrainedRun
from pyg_gears.lab.experiments.unseen import unseen
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.lab.probes.attention_probe import attention_probe
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
        ``candidate_recall`` and ``gate_kl`` of the gate, where the model has one; ``healthy``, the share of minisets without a
        collapse, and ``healthy <measure>``, the share that passes each of its limits; ``parameters``.
    """
    validation, budget = run.prepared.validation, run.recipe.training.node_budget
    collapse = collapse_rate(run.model, validation, budget)
    return {
        **mean_energies(run.model, validation, budget),
        **_gate_numbers(run),
        "healthy": collapse.rate,
        **{f"healthy {name}": share for name, share in collapse.passing.items()},
        "parameters": float(sum(parameter.numel() for parameter in run.model.parameters())),
    }


def _gate_numbers(run: TrainedRun) -> dict[str, float]:
    with contextlib.suppress(NotMeasurable):
        gate = gate_probe(run.model, run.prepared.validation, run.recipe.training.node_budget)
        return {
            "precision": gate.precision_30,
            "recall": gate.recall_30,
            "candidate_recall": gate.candidate_recall,
            "gate_kl": gate.kl,
        }
    return {}


def gap(run: TrainedRun) -> dict[str, float]:
    """The gap between the true and the inferred graph, condition by condition, and what each step costs."""
    found = gap_decomposition(run.model, run.minisets, run.recipe.training.node_budget)
    return dict(found.energy) | {f"cost of {name}": cost for name, cost in found.cost.items()}


def controls(run: TrainedRun) -> dict[str, float]:
    """Energies with meaningless embeddings and graphs, and how many times worse they are."""
    budget = run.recipe.training.node_budget
    found = negative_controls(run.model, run.minisets, run.prepared.candidates, run.seed, budget)
    return {"clean": found.clean, **found.energy, **{f"factor {name}": value for name, value in found.factor.items()}}


def robustness(run: TrainedRun) -> dict[str, float]:
    """Energies with 80, 100 and 120 candidates, and their range."""
    budget = run.recipe.training.node_budget
    found = candidate_robustness(run.model, run.minisets, run.prepared.candidates, node_budget=budget)
    return {f"k {k}": energy for k, energy in found.energy.items()} | {"range": found.range}


def edge_overlap(run: TrainedRun) -> dict[str, float]:
    """The candidates as edges against those of the true walk, self-loops left out, means over minisets.

    With C the candidate edges and T the true ones, both directed:

    Returns:
        ``recall`` = |C and T| / |T|, ``false`` = |C without T| / |C|, ``overlap`` = |C and T| / |C or T|, and ``per node``, the
        candidates of a node.
    """
    found = []
    for data in run.minisets:
        n = int(data.num_nodes or 0)
        edges = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
        candidates, true = ((ends[1] * n + ends[0]).unique() for ends in (edges, data.rw_edge_index))
        both = int(torch.isin(true, candidates).sum())
        union = len(candidates) + len(true) - both
        found.append((both / len(true), 1 - both / len(candidates), both / union, len(candidates) / n))
    return dict(zip(("recall", "false", "overlap", "per node"), np.mean(found, axis=0).tolist(), strict=True))


def attention(run: TrainedRun) -> dict[str, float]:
    """Recall, entropy, deviation of the logits, correlations with q.k and gate, and step of each recycle, means over heads.

    Returns:
        Each by recycle (recall as published: true neighbours among the 30 candidates with most attention, over 30), and
        ``lowest recall``, ``lowest logit std`` and ``highest logit std`` over the recycles.
    """
    probe = attention_probe(run.model, run.minisets, run.recipe.training.node_budget)
    recall, std = probe.recall_30.mean(axis=1), probe.logit_std["total"].mean(axis=1)
    rows = {
        "recall": recall,
        "entropy": probe.entropy.mean(axis=1),
        "logit std": std,
        **{f"spearman {term}": probe.spearman[term].mean(axis=1) for term in ("qk", "gate") if term in probe.spearman},
        "step": probe.step,
    }
    found = {f"{name}, recycle {r}": float(v) for name, values in rows.items() for r, v in enumerate(values, 1)}
    return found | {
        "lowest recall": float(recall.min()),
        "lowest logit std": float(std.min()),
        "highest logit std": float(std.max()),
    }


def layout(run: TrainedRun) -> dict[str, float]:
    """The whole held-out slide, laid out from patches as cells would be, against its true positions.

    Returns:
        ``spearman`` of the pairwise distances, ``trust_20`` and ``recall_15``: means over the held-out slides.
    """
    found = []
    for slide in run.prepared.validation.slides:
        candidates = run.prepared.candidates
        pos = reconstruct_layout(run.model, slide.x, candidates=candidates, seed=run.seed, progress=False).pos
        found.append(evaluate_layout(pos, slide.pos.numpy()))
    return {name: sum(one[name] for one in found) / len(found) for name in ("spearman", "trust_20", "recall_15")}


EVALUATIONS: dict[str, Evaluation] = {
    "coordinates": coordinates,
    "single-overfit": single_overfit,
    "recycle-energies": recycle_energies,
    "recycle-distillation": recycle_distillation,
    "layout": layout,
    "unseen": unseen,
    "gap": gap,
    "edge-overlap": edge_overlap,
    "attention": attention,
    "negative-controls": controls,
    "candidate-robustness": robustness,
    **{f"intervention-{name}": evaluation for name, evaluation in INTERVENTIONS.items()},
}
"""Evaluations of a trained model, by the names that :class:`~pyg_gears.lab.experiments.Experiment` lists."""

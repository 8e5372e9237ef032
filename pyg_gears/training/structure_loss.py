"""What a structure model is trained on: the terms of the recipe's loss on one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_gears.losses import (
    distill_distances,
    distill_walk,
    gate_kl,
    gate_ranking,
    gate_trust,
    linear_stress,
    local_stress,
    log_stress,
    overlap_consistency,
    random_walk_kl,
    ratio_stress,
    repulsion,
    walk_entropy,
)
from pyg_gears.models import GatedModel, StructureModel, StructureOutput
from pyg_gears.training.gate_recipe import GateRecipe
from pyg_gears.training.loss_recipe import LossRecipe
from pyg_gears.training.oracle import oracle_edges
from pyg_gears.training.recipe import Recipe

STRESS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "linear": linear_stress,
    "log": log_stress,
    "ratio": ratio_stress,
    "local": local_stress,
}
DISTILL: dict[str, Callable[[Tensor, Tensor, Any], Tensor]] = {"walk": distill_walk, "distances": distill_distances}

Term = tuple[str, float, Tensor]
"""Name, weight and value of a term."""


def structure_terms(
    model: StructureModel,
    batch: Batch,
    recipe: Recipe,
    *,
    walk_weight: float,
    generator: torch.Generator,
    gate_x: Tensor | None = None,
    beta: float | None = None,
    earlier_gate: torch.nn.Module | None = None,
    overlap_share: float = 1.0,
) -> Iterator[Term]:
    """Run the model and yield name, weight and value of every term whose weight is above zero.

    With ``loss.distill`` a second pass on the true graph, trained by the same stress and random walk, is the teacher of the
    pass on the candidates; with ``loss.deep`` the coordinates of the earlier rounds get these two terms too, weighted by
    r / sum(r) for round r = 1, 2, ... (the last round has its own weight, 1). A model's own terms come last.

    Args:
        model: The structure model, in training mode.
        batch: Augmented batch.
        recipe: The recipe.
        walk_weight: Weight of the random-walk term now.
        generator: Source of noise, random pairs and negatives, on the CPU.
        gate_x: What a gate reads, shape (n, c): H without augmentation; ``batch.x`` if omitted.
        beta: Weight of a gate in the attention now; the model's if omitted.
        earlier_gate: The pretrained gate, for ``gate.trust``.
        overlap_share: Share of the weights of ``loss.overlap`` now, 0..1.
    """
    weights, gate = recipe.loss, getattr(recipe.model, "gate", None)
    true_edges = oracle_edges(batch) if recipe.training.edges == "true" or weights.distill is not None else None
    if isinstance(model, GatedModel):
        assert gate is not None
        read = batch.x if gate_x is None else gate_x
        logits = model.gate(read, batch.edge_index, batch.batch)
        if recipe.training.edges == "true":
            output = model(batch, edge_index=true_edges, use_gate=False, generator=generator)
        else:
            output = model(batch, gate_logits=logits, beta=beta, detach_gate=gate.detached, generator=generator)
        yield from _gate_terms(logits, batch, gate, read, earlier_gate, generator)
    else:
        output = model(batch, edge_index=true_edges if recipe.training.edges == "true" else None, generator=generator)
    yield from _layout_terms(output, batch, weights, walk_weight, generator)
    if weights.overlap is not None and output.coordinates and overlap_share > 0:
        found = overlap_consistency(output.pos, batch, weights.overlap.tau)
        for name, value in found._asdict().items():
            if (weight := overlap_share * getattr(weights.overlap, name)) > 0:
                yield f"overlap_{name}", weight, value
    if weights.distill is not None:
        options = {"use_gate": False} if isinstance(model, GatedModel) else {}
        teacher = model(batch, edge_index=true_edges, generator=generator, **options)
        for name, weight, value in _geometry(teacher.pos, batch, weights, walk_weight):
            yield f"{name}_teacher", weight, value
        yield "distill", weights.distill.weight, DISTILL[weights.distill.kind](output.pos, teacher.pos, batch)
    for name, (weight, value) in model.loss_terms(output, batch, generator).items():
        yield name, weight, value


def _layout_terms(
    output: StructureOutput, batch: Batch, weights: LossRecipe, walk_weight: float, generator: torch.Generator
) -> Iterator[Term]:
    """Terms of the coordinates; a model that generates none is trained by its own terms alone."""
    if not output.coordinates:
        return
    yield from _geometry(output.pos, batch, weights, walk_weight)
    if weights.repulsion > 0:
        yield "repulsion", weights.repulsion, repulsion(output.pos, batch, generator)
    if weights.entropy > 0:
        yield "entropy", weights.entropy, walk_entropy(output.pos, batch)
    if weights.deep > 0:
        rounds = len(output.trajectory) - 1
        for number, pos in enumerate(output.trajectory[:-1], start=1):
            share = weights.deep * number / (rounds * (rounds + 1) / 2)
            for name, weight, value in _geometry(pos, batch, weights, walk_weight):
                yield f"{name}_round_{number}", share * weight, value


def _geometry(pos: Tensor, batch: Batch, weights: LossRecipe, walk_weight: float) -> Iterator[Term]:
    """The two terms that compare coordinates with the truth."""
    if walk_weight > 0:
        yield "random_walk", walk_weight, random_walk_kl(pos, batch)
    if weights.stress > 0:
        yield "stress", weights.stress, STRESS[weights.stress_kind](pos, batch)


def _gate_terms(
    logits: Tensor,
    batch: Batch,
    gate: GateRecipe,
    gate_x: Tensor,
    earlier_gate: torch.nn.Module | None,
    generator: torch.Generator,
) -> Iterator[Term]:
    if gate.kl > 0:
        yield "gate", gate.kl, gate_kl(logits, batch)
    if gate.rank > 0:
        yield "rank", gate.rank, gate_ranking(logits, batch, generator, gate.rank_margin)
    if gate.trust > 0 and earlier_gate is not None:
        with torch.no_grad():
            earlier = earlier_gate.eval()(gate_x, batch.edge_index, batch.batch)
        yield "trust", gate.trust, gate_trust(logits, earlier, batch)

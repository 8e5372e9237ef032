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
    random_walk_kl,
    ratio_stress,
    repulsion,
    walk_entropy,
)
from pyg_gears.models import GatedModel
from pyg_gears.training.former_recipe import LossRecipe
from pyg_gears.training.oracle import oracle_edges
from pyg_gears.training.recipe import Recipe

STRESS: dict[str, Callable[[Tensor, Any], Tensor]] = {
    "linear": linear_stress,
    "log": log_stress,
    "ratio": ratio_stress,
    "local": local_stress,
}
DISTILL: dict[str, Callable[[Tensor, Tensor, Any], Tensor]] = {"walk": distill_walk, "distances": distill_distances}


def structure_terms(
    model: GatedModel,
    batch: Batch,
    gate_x: Tensor,
    recipe: Recipe,
    *,
    walk_weight: float,
    beta: float,
    generator: torch.Generator,
    earlier_gate: torch.nn.Module | None = None,
) -> Iterator[tuple[str, float, Tensor]]:
    """Run the model and yield name, weight and value of every term whose weight is above zero.

    With ``loss.distill`` a second pass on the true graph, trained by the same stress and random walk, is the teacher of the
    pass on the candidates; with ``loss.deep`` the coordinates of the earlier rounds get these two terms too, weighted by
    r / sum(r) for round r = 1, 2, ... (the last round has its own weight, 1).

    Args:
        model: The structure model, in training mode.
        batch: Augmented batch.
        gate_x: What the gate reads, shape (n, c): ``batch.x``, or H without augmentation.
        recipe: The recipe.
        walk_weight: Weight of the random-walk term now.
        beta: Weight of the gate in the attention now.
        generator: Source of noise, random pairs and negatives, on the CPU.
        earlier_gate: The pretrained gate, for ``loss.trust``.
    """
    weights = recipe.loss
    logits = model.gate_edges(batch, gate_x)
    output = model(batch, gate_logits=logits, beta=beta, detach_gate=recipe.gate.detached, generator=generator)
    yield from _geometry(output.pos, batch, weights, walk_weight)
    if weights.repulsion > 0:
        yield "repulsion", weights.repulsion, repulsion(output.pos, batch, generator)
    if weights.entropy > 0:
        yield "entropy", weights.entropy, walk_entropy(output.pos, batch)
    if weights.gate > 0:
        yield "gate", weights.gate, gate_kl(logits, batch)
    if weights.trust > 0 and earlier_gate is not None:
        with torch.no_grad():
            earlier = earlier_gate.eval()(gate_x, batch.edge_index, batch.batch)
        yield "trust", weights.trust, gate_trust(logits, earlier, batch)
    if weights.rank > 0:
        yield "rank", weights.rank, gate_ranking(logits, batch, generator, weights.rank_margin)
    if weights.deep > 0:
        rounds = len(output.trajectory) - 1
        for number, pos in enumerate(output.trajectory[:-1], start=1):
            share = weights.deep * number / (rounds * (rounds + 1) / 2)
            for name, weight, value in _geometry(pos, batch, weights, walk_weight):
                yield f"{name}_round_{number}", share * weight, value
    if weights.distill > 0:
        teacher = model(batch, edge_index=oracle_edges(batch), use_gate=False, generator=generator)
        for name, weight, value in _geometry(teacher.pos, batch, weights, walk_weight):
            yield f"{name}_teacher", weight, value
        yield "distill", weights.distill, DISTILL[weights.distill_kind](output.pos, teacher.pos, batch)


def _geometry(
    pos: Tensor, batch: Batch, weights: LossRecipe, walk_weight: float
) -> Iterator[tuple[str, float, Tensor]]:
    """The two terms that compare coordinates with the truth."""
    if walk_weight > 0:
        yield "random_walk", walk_weight, random_walk_kl(pos, batch)
    if weights.stress > 0:
        yield "stress", weights.stress, STRESS[weights.stress_kind](pos, batch)

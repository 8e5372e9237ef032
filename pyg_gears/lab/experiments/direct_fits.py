"""What is attainable: coordinates optimised directly, one miniset overfitted, fewer recycles taught by more."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_gears.data import MinisetLoader
from pyg_gears.lab.experiments.trained_run import TrainedRun
from pyg_gears.losses import distill_distances, distill_walk, gate_kl, geometric_energy, repulsion, walk_entropy
from pyg_gears.seeds import torch_stream
from pyg_gears.training.build_model import build_model

COORDINATE_MINISETS = 8
COORDINATE_STEPS = 2000
OVERFIT_STEPS = 3000
DISTILL_STEPS = 200


def coordinates(run: TrainedRun) -> dict[str, float]:
    """E_geo that the targets allow: coordinates of 8 validation minisets, optimised by Adam from noise, without any model.

    Returns:
        ``energy``, without the regularisers, and its parts ``random walk`` and ``stress``.
    """
    batch = Batch.from_data_list(run.minisets[:COORDINATE_MINISETS])
    generator = torch_stream(run.seed, "coordinates")
    pos = torch.randn(batch.num_nodes, 2, generator=generator).requires_grad_()
    adam = torch.optim.Adam([pos], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, COORDINATE_STEPS, 0.005)
    for _ in range(COORDINATE_STEPS):
        adam.zero_grad()
        # The two small terms keep points from sticking together early.
        energy = geometric_energy(pos, batch).as_subclass(Tensor)
        (energy + 0.01 * (repulsion(pos, batch, generator) + walk_entropy(pos, batch))).backward()
        adam.step()
        schedule.step()
    energy = geometric_energy(pos.detach(), batch)
    return {"energy": float(energy), "random walk": float(energy.random_walk), "stress": float(energy.stress)}


def single_overfit(run: TrainedRun) -> dict[str, float]:
    """E_geo of a new model of this recipe on the one training miniset that it was fitted to, without augmentation."""
    data = run.prepared.train[0]
    model = build_model(run.recipe, data.x.size(1), run.seed).eval()
    adam = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(OVERFIT_STEPS):
        adam.zero_grad()
        output = model(data)
        loss = geometric_energy(output.pos, data).as_subclass(Tensor)
        if output.gate_logits is not None:
            loss = loss + 0.1 * gate_kl(output.gate_logits, data)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
    with torch.no_grad():
        return {"energy": float(geometric_energy(model(data).pos, data))}


def recycle_distillation(run: TrainedRun) -> dict[str, float]:
    """The model cut by one recycle, as it is and after it has learned the whole model's layouts of the training minisets.

    Nothing for a model of fewer than three recycles or with blocks of their own, which cannot be cut.
    """
    teacher = run.recycling
    if teacher.recycles < 3 or not getattr(teacher, "shared", False):
        return {}
    student = copy.deepcopy(teacher)
    student.recycles = teacher.recycles - 1
    found = _energy(run, teacher, "whole") | _energy(run, student, "cut")
    adam = torch.optim.AdamW(student.parameters(), lr=5e-4, weight_decay=run.recipe.training.weight_decay)
    step, epoch = 0, 0
    while step < DISTILL_STEPS:
        loader = MinisetLoader(run.prepared.train, run.recipe.training.node_budget, seed=run.seed)
        loader.set_epoch(epoch)
        for batch in loader:
            if step == DISTILL_STEPS:
                break
            with torch.no_grad():
                wanted = teacher(batch).pos
            adam.zero_grad()
            pos = student(batch).pos
            (distill_distances(pos, wanted, batch) + 0.1 * distill_walk(pos, wanted, batch)).backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            adam.step()
            step += 1
        epoch += 1
    found |= _energy(run, student, "taught")
    return found | {f"taught minus {name}": found["taught"] - found[name] for name in ("cut", "whole")}


def _energy(run: TrainedRun, model: Any, name: str) -> dict[str, float]:
    return run._replace(model=model).energies(lambda batch: {name: model(batch).pos})

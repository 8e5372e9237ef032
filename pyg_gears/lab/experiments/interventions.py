"""E_geo of a finished model when one of its parts is changed without further training.

An intervention shows what the model relies on; what a model can learn without the part is a question for a trained variant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import segment_log_softmax
from pyg_gears.lab.experiments.random_candidates import RandomCandidates
from pyg_gears.lab.experiments.trained_run import TrainedRun
from pyg_gears.lab.probes.row_statistics import edge_rows, row_best
from pyg_gears.training.oracle import oracle_edges

BETAS = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
STEP_SCALES = (0.25, 0.5, 1.0, 1.5, 2.0)
KEPT = (10, 20, 30, 50)
SMOOTHINGS = (1, 2, 4)


def recycle_energies(run: TrainedRun) -> dict[str, float]:
    """The layout before the first recycle ("initial") and after each ("recycle 1", ...)."""

    def layouts(batch: Any) -> dict[str, Tensor]:
        output = run.model(batch)
        return {"initial": output.initial} | {f"recycle {r}": pos for r, pos in enumerate(output.trajectory, 1)}

    return run.energies(layouts)


def beta_sweep(run: TrainedRun) -> dict[str, float]:
    """Other weights of the gate than the model was trained with, none included."""
    model = run.gated
    return run.energies(lambda batch: {f"beta {beta:g}": model(batch, beta=beta).pos for beta in BETAS})


def step_scale(run: TrainedRun) -> dict[str, float]:
    """Shorter and longer steps of the coordinates."""
    model = run.recycling
    return run.energies(lambda batch: {f"step x{s:g}": model(batch, step_scale=s).pos for s in STEP_SCALES})


def uniform_attention(run: TrainedRun) -> dict[str, float]:
    """The model as it is, and with equal weights of all candidates from the second recycle on."""
    model = run.recycling
    return run.energies(
        lambda batch: {
            "learned": model(batch).pos,
            "uniform": model(batch, attention="uniform_after_first").pos,
        }
    )


def logit_terms(run: TrainedRun) -> dict[str, float]:
    """The model as it is, without its gate, and with nothing but its gate from the second recycle on."""
    model = run.recycling
    return run.energies(
        lambda batch: {
            "all terms": model(batch).pos,
            "no gate": model(batch, use_gate=False).pos,
            "gate only": model(batch, attention="gate_only_after_first").pos,
        }
    )


def hard_gate(run: TrainedRun) -> dict[str, float]:
    """Only the candidates with the highest gate stay, with their logits ("best 10") or all alike ("best 10, flat")."""
    model = run.gated

    def layouts(batch: Any) -> dict[str, Tensor]:
        source, target = batch.edge_index
        logits = model.gate_edges(batch)
        shared = logits if logits.dim() == 1 else logits.mean(dim=1)
        rows, mask = edge_rows(shared.masked_fill(source == target, -torch.inf), target, batch.num_nodes)
        found = {"soft": model(batch, gate_logits=logits).pos}
        for count in KEPT:
            keep = row_best(rows, mask, count)[..., 0][mask] | (source == target)
            edges = batch.edge_index[:, keep]
            found[f"best {count}"] = model(batch, edge_index=edges, gate_logits=logits[keep]).pos
            found[f"best {count}, flat"] = model(batch, edge_index=edges, use_gate=False).pos
        return found

    return run.energies(layouts)


def other_graphs(run: TrainedRun) -> dict[str, float]:
    """Other edges than the candidates of the embedding, with the gate and without ("..., no gate").

    "random" are :class:`~pyg_gears.lab.experiments.random_candidates.RandomCandidates`, "all pairs" every edge within a miniset,
    "none" the self-loops alone, "true" the true graph. ``density`` is the share of all pairs that the candidates hold.
    """
    model = run.gated
    random = RandomCandidates.like(run.prepared.candidates)

    def layouts(batch: Any) -> dict[str, Tensor]:
        loop = torch.arange(batch.num_nodes, device=batch.x.device).expand(2, -1)
        target, source = (batch.batch[:, None] == batch.batch[None]).nonzero(as_tuple=True)
        graphs = {
            "candidates": batch.edge_index,
            "random": random.batch_edges(batch),
            "all pairs": torch.stack([source, target]),
            "none": loop,
            "true": oracle_edges(batch),
        }
        found = {name: model(batch, edge_index=edges).pos for name, edges in graphs.items()}
        return found | {
            f"{name}, no gate": model(batch, edge_index=edges, use_gate=False).pos for name, edges in graphs.items()
        }

    minisets = run.minisets
    edges = [int((data.edge_index[0] != data.edge_index[1]).sum()) for data in minisets]
    pairs = [int(data.num_nodes) * (int(data.num_nodes) - 1) for data in minisets]
    density = sum(e / p for e, p in zip(edges, pairs, strict=True)) / len(minisets)
    return run.energies(layouts) | {"density": density}


def smoothing_recycles(run: TrainedRun) -> dict[str, float]:
    r"""Late recycles that only follow the gate, and averages along the gate after the last recycle.

    A smoothing step is :math:`x_i \leftarrow \frac12 (x_i + \sum_j \mathrm{softmax}_j(\beta g_{ij}) x_j)`, in the gauge.
    """
    model = run.recycling

    def layouts(batch: Any) -> dict[str, Tensor]:
        output = model(batch)
        found = {"learned": output.pos, "gate only": model(batch, attention="gate_only_after_first").pos}
        source, target = batch.edge_index
        assert output.gate_logits is not None
        logits = output.gate_logits if output.gate_logits.dim() == 1 else output.gate_logits.mean(dim=1)
        weight = segment_log_softmax(model.beta * logits, target, batch.num_nodes).exp()
        pos = output.pos
        for step in range(1, max(SMOOTHINGS) + 1):
            mean = torch.zeros_like(pos).index_add(0, target, weight[:, None] * pos[source])
            pos = gauge_fix(0.5 * (pos + mean), batch.batch)
            if step in SMOOTHINGS:
                found[f"smoothed x{step}"] = pos
        return found

    return run.energies(layouts)


INTERVENTIONS: dict[str, Callable[[TrainedRun], dict[str, float]]] = {
    "gate-weight": beta_sweep,
    "step-size": step_scale,
    "uniform-attention": uniform_attention,
    "logit-terms": logit_terms,
    "hard-gate": hard_gate,
    "graph": other_graphs,
    "smoothing": smoothing_recycles,
}
"""Interventions by name."""

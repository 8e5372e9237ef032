"""The two energies that are always reported side by side: with the inferred graph, and with the true one."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor
from torch_geometric.data import Data

from pyg_gears.data import MinisetDataset, MinisetLoader
from pyg_gears.losses import EnergyOutput, geometric_energy
from pyg_gears.models import GatedModel, StructureModel


@torch.no_grad()
def gated_energy(model: StructureModel, batch: Data) -> EnergyOutput:
    """E_geo on the gated candidate graph ("H-gate"): what inference will have."""
    return geometric_energy(model(batch).pos, batch)


@torch.no_grad()
def oracle_energy(model: StructureModel, batch: Data) -> EnergyOutput:
    """E_geo on the true spatial kNN graph without a gate ("T-edge"): what a perfect graph would give.

    A gate has no logits for the edges of the true graph.

    Args:
        model: The structure model.
        batch: Batch with geometric targets.
    """
    options = {"use_gate": False} if isinstance(model, GatedModel) else {}
    return geometric_energy(model(batch, edge_index=oracle_edges(batch), **options).pos, batch)


def oracle_edges(batch: Data) -> Int[Tensor, "2 e"]:
    """The support of the random walk plus self-loops, sorted by target, then source."""
    n = int(batch.num_nodes)
    loop = torch.arange(n, device=batch.rw_edge_index.device)
    source, target = torch.cat([batch.rw_edge_index, loop.expand(2, -1)], dim=1)
    order = (target * n + source).argsort()
    return torch.stack([source[order], target[order]])


def mean_energies(model: StructureModel, minisets: MinisetDataset, node_budget: int) -> dict[str, float]:
    """Mean E_geo over minisets, with the inferred graph ("h_gate") and with the true one ("t_edge").

    Args:
        model: The structure model, on the CPU.
        minisets: Minisets with candidates and targets.
        node_budget: Nodes per batch at most.
    """
    total, count = {"h_gate": 0.0, "t_edge": 0.0}, 0
    for batch in MinisetLoader(minisets, node_budget, shuffle=False):
        gated = float(gated_energy(model, batch))
        total["h_gate"] += gated * batch.num_graphs
        total["t_edge"] += (float(oracle_energy(model, batch)) if model.reads_edges else gated) * batch.num_graphs
        count += batch.num_graphs
    return {name: value / count for name, value in total.items()}

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.lab.probes.gap_decomposition import CONDITIONS, gap_decomposition
from pyg_gears.losses import geometric_energy
from pyg_gears.models import IPALite
from pyg_gears.training.oracle import mean_energies


@pytest.fixture
def model() -> IPALite:
    model = IPALite.from_preset("d7", 8, recycles=2, hidden_channels=8, heads=2, head_channels=4, gate_channels=8)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2, generator=torch.Generator().manual_seed(weight.numel()))
    return model.eval()


def slow_energies(model, graph, truth) -> dict[str, float]:
    """E_geo of one miniset on graphs and gates that are listed edge by edge."""
    batch, n, truth = Batch.from_data_list([graph]), graph.num_nodes, truth.tolist()
    candidates = list(zip(*graph.edge_index.tolist(), strict=True))
    true = [(j, i) for i in range(n) for j in range(n) if i == j or truth[i][j] > 0]
    kept = [edge for edge in candidates if edge in set(true)]
    logits = []
    for j, i in candidates:
        reached = [truth[i][a] for a, b in candidates if b == i and truth[i][a] > 0]
        mean = sum(reached) / len(reached) if reached else 1.0
        logits.append(0.0 if i == j else float(np.log(truth[i][j] / mean + 1e-6)))

    def energy(pos):
        return float(geometric_energy(pos.double(), batch))

    def edges(pairs):
        return torch.tensor(pairs).T.contiguous()

    gate = torch.tensor(logits)
    output = model(batch)
    return {
        "oracle": energy(model(batch, edge_index=edges(true), use_gate=False).pos),
        "oracle_in_candidates": energy(model(batch, edge_index=edges(kept), use_gate=False).pos),
        "oracle_gate": energy(model(batch, gate_logits=gate / model.beta).pos),
        "oracle_gate_own_beta": energy(model(batch, gate_logits=gate).pos),
        "learned_gate": energy(output.pos),
        "no_gate": energy(model(batch, gate_logits=0 * gate).pos),
        "initial": energy(output.initial),
    }


@torch.no_grad()
def test_every_condition_equals_its_own_pass(model, minisets, transitions) -> None:
    fast = gap_decomposition(model.train(), minisets, node_budget=120)
    assert model.training
    model.eval()
    slow = [slow_energies(model, graph, transitions(graph)) for graph in (minisets[i] for i in range(6))]
    for name in CONDITIONS:
        values = np.array([each[name] for each in slow])
        assert fast.energy[name] == pytest.approx(values.mean(), rel=1e-4), name
        assert fast.spread[name] == pytest.approx(values.std(), rel=1e-3), name
        assert fast.energy[name] == pytest.approx(fast.random_walk[name] + 0.1 * fast.stress[name])
    usual = mean_energies(model, minisets, 120)
    assert fast.energy["learned_gate"] == pytest.approx(usual["h_gate"], rel=1e-4)
    assert fast.energy["oracle"] == pytest.approx(usual["t_edge"], rel=1e-4)


def test_costs_add_up(model, minisets) -> None:
    found = gap_decomposition(model, minisets)
    cost = found.cost
    assert cost["missing_edges"] + cost["soft_weights"] + cost["gating"] == pytest.approx(cost["gap"])
    assert cost["gating_share"] == pytest.approx(cost["gating"] / cost["gap"])
    assert found.minisets == 6


def test_a_gate_without_opinion_gains_nothing(reading_model, minisets) -> None:
    same = reading_model(gate_of=lambda x, e: torch.zeros(e.size(1)))
    nothing = gap_decomposition(same, minisets)
    assert nothing.cost["gate_gain"] == pytest.approx(0, abs=1e-12)

from __future__ import annotations

import pytest
import torch
from torch_geometric.data import Batch

from pyg_gears.lab.experiments import interventions
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.losses import geometric_energy
from pyg_gears.models import GateEGNN
from pyg_gears.training.oracle import mean_energies
from pyg_gears.transforms import CandidateGraph


@pytest.fixture(scope="module")
def h_gate(trained) -> float:
    return mean_energies(trained.model, trained.prepared.validation, 160)["h_gate"]


def test_unchanged_models_have_the_energy_of_the_run(trained, h_gate) -> None:
    last = f"recycle {trained.model.recycles}"
    for function, name in (
        (interventions.recycle_energies, last),
        (interventions.beta_sweep, "beta 2"),
        (interventions.step_scale, "step x1"),
        (interventions.uniform_attention, "learned"),
        (interventions.logit_terms, "all terms"),
        (interventions.hard_gate, "soft"),
        (interventions.smoothing_recycles, "learned"),
    ):
        assert function(trained)[name] == pytest.approx(h_gate, abs=1e-5)


def test_a_gate_of_weight_zero_is_no_gate(trained) -> None:
    swept, terms = interventions.beta_sweep(trained), interventions.logit_terms(trained)
    assert swept["beta 0"] == pytest.approx(terms["no gate"], abs=1e-5)
    assert swept["beta 4"] != pytest.approx(swept["beta 2"], abs=1e-7)


def test_other_graphs_are_what_they_say(trained, h_gate) -> None:
    found = interventions.other_graphs(trained)
    energies = mean_energies(trained.model, trained.prepared.validation, 160)
    assert found["candidates"] == pytest.approx(h_gate, abs=1e-5)
    assert found["true, no gate"] == pytest.approx(energies["t_edge"], abs=1e-5)
    assert found["candidates, no gate"] == pytest.approx(interventions.logit_terms(trained)["no gate"], abs=1e-5)
    densities = []
    for data in trained.minisets:
        n = int(data.num_nodes)
        densities.append((data.edge_index.size(1) - n) / (n * (n - 1)))
    assert found["density"] == pytest.approx(sum(densities) / len(densities))
    # With its self-loop alone a node has nowhere to go: the layout stays that of the first guess.
    initial = interventions.recycle_energies(trained)["initial"]
    assert found["none"] == pytest.approx(initial, abs=1e-5)
    assert found["none, no gate"] == pytest.approx(initial, abs=1e-5)
    # All pairs as edges are the candidates of a large k.
    every = Batch.from_data_list([CandidateGraph(k=1000)(data.clone()) for data in trained.minisets])
    with torch.no_grad():
        assert found["all pairs"] == pytest.approx(float(geometric_energy(trained.model(every).pos, every)), abs=1e-5)
    assert len({round(found[name], 7) for name in ("candidates", "random", "all pairs", "true")}) == 4


def test_the_hard_gate_keeps_the_best_candidates_and_the_node_itself(trained) -> None:
    found = interventions.hard_gate(trained)
    # Every node has fewer than 50 candidates here.
    assert found["best 50"] == pytest.approx(found["soft"], abs=1e-5)
    batch = Batch.from_data_list(trained.minisets)
    with torch.no_grad():
        logits = trained.model.gate(batch.x, batch.edge_index)
        source, target = batch.edge_index
        keep = source == target
        for node in range(batch.num_nodes):
            mine = ((target == node) & (source != node)).nonzero().flatten()
            keep[mine[logits[mine].argsort(descending=True, stable=True)[:10]]] = True
        pos = trained.model(batch, edge_index=batch.edge_index[:, keep], gate_logits=logits[keep]).pos
    assert found["best 10"] == pytest.approx(float(geometric_energy(pos, batch)), abs=1e-5)


def test_smoothing_by_hand(trained) -> None:
    batch = Batch.from_data_list(trained.minisets)
    n = batch.num_nodes
    with torch.no_grad():
        output = trained.model(batch)
        weight = torch.full((n, n), -torch.inf)
        weight[batch.edge_index[1], batch.edge_index[0]] = 2.0 * output.gate_logits
        pos = 0.5 * output.pos + 0.5 * weight.softmax(dim=1) @ output.pos
    expected = float(geometric_energy(pos, batch))
    assert interventions.smoothing_recycles(trained)["smoothed x1"] == pytest.approx(expected, abs=1e-4)


def test_models_without_the_part_are_refused(trained) -> None:
    model = GateEGNN(trained.model.in_channels, hidden_channels=8, steps=2)
    without = trained._replace(model=model.eval())
    with pytest.raises(NotMeasurable, match="expected a model with rounds of attention, found GateEGNN"):
        interventions.uniform_attention(without)
    assert "beta 2" in interventions.beta_sweep(without)
    bare = trained._replace(model=torch.nn.Linear(2, 2))
    with pytest.raises(NotMeasurable, match="expected a model with a gate, found Linear"):
        interventions.hard_gate(bare)

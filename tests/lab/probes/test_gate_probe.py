from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import average_precision_score
from torch_geometric.data import Batch

from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.lab.probes.gate_probe import MEASURES, gate_probe
from pyg_gears.losses import gate_kl
from pyg_gears.nn import EdgeGate


def slow_gate(logits, reference, graph, truth) -> dict[str, float]:
    """Every measure of one miniset by a loop over its nodes."""
    source, target = graph.edge_index
    found: dict[str, list[float]] = {}
    scores, labels = [], []
    for i in range(graph.num_nodes):
        own = ((target == i) & (source != i)).nonzero().flatten()
        g, r = (v[own].double().numpy() for v in (logits, reference))
        t = truth[i, source[own]].numpy()
        q, old, p = np.exp(g) / np.exp(g).sum(), np.exp(r) / np.exp(r).sum(), t / max(t.sum(), 1e-300)
        chosen = set(source[own][np.argsort(-g, kind="stable")[:30].copy()].tolist())
        near, inside = set((truth[i] > 0).nonzero().flatten().tolist()), set(source[own].tolist())
        best = {j for j in np.argsort(-truth[i].numpy(), kind="stable")[:30].tolist() if truth[i, j] > 0}
        row = {
            "kl": (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum(),
            "precision_30": len(chosen & near) / 30,
            "recall_30": len(chosen & near) / len(near),
            "candidate_recall": len(inside & near) / len(near),
            "strict_precision_30": len(chosen & best) / len(chosen),
            "strict_recall_30": len(chosen & best) / len(best),
            "strict_candidate_recall": len(inside & best) / len(best),
            "entropy": -(q * np.log(q)).sum(),
            "drift": (old * np.log(old / q)).sum(),
            "spearman": stats.spearmanr(g, p).statistic if np.ptp(p) and np.ptp(g) else np.nan,
            "pearson": np.corrcoef(q, p)[0, 1] if np.ptp(p) and np.ptp(g) else np.nan,
            "self_mass": 1 / (1 + np.exp(g).sum()),
        }
        for name, value in row.items():
            found.setdefault(name, []).append(value)
        scores += g.tolist()
        labels += (t > 0).tolist()
    return {name: np.nanmean(v) for name, v in found.items()} | {
        "average_precision": average_precision_score(labels, scores)
    }


@pytest.fixture
def gates() -> tuple[EdgeGate, EdgeGate]:
    made = []
    for seed in (0, 1):
        gate = EdgeGate(8, 8)
        for weight in gate.parameters():
            torch.nn.init.normal_(weight, std=0.5, generator=torch.Generator().manual_seed(seed))
        made.append(gate.eval())
    return made[0], made[1]


@pytest.mark.parametrize("kind", ["minisets", "crowded"])
def test_every_measure_equals_the_loops(request, kind, reading_model, transitions, gates) -> None:
    gate, old = gates
    minisets = request.getfixturevalue(kind)
    fast = gate_probe(reading_model(gate_of=gate), minisets, node_budget=120, reference=old.train())
    assert old.training
    old.eval()
    slow = []
    with torch.no_grad():
        for graph in (minisets[i] for i in range(len(minisets))):
            x, e = graph.x, graph.edge_index
            slow.append(slow_gate(gate(x, e), old(x, e), graph, transitions(graph)))
    for name in MEASURES:
        values = np.array([each[name] for each in slow])
        assert getattr(fast, name) == pytest.approx(values.mean(), rel=1e-5), name
        assert fast.spread[name] == pytest.approx(values.std(), rel=1e-4), name


def test_kl_is_the_loss_of_training(minisets, reading_model, gates) -> None:
    batch = Batch.from_data_list([minisets[i] for i in range(len(minisets))])
    loss = float(gate_kl(gates[0](batch.x, batch.edge_index).detach(), batch))
    assert gate_probe(reading_model(gate_of=gates[0]), minisets).kl == pytest.approx(loss, rel=1e-5)


def test_a_perfect_gate(minisets, reading_model, transitions) -> None:
    graphs = [minisets[i] for i in range(len(minisets))]

    def perfect(x, edges, batch=None):
        graph = next(g for g in graphs if torch.equal(g.x, x))
        return (transitions(graph)[edges[1], edges[0]] + 1e-30).log().masked_fill(edges[0] == edges[1], 0.0)

    probe = gate_probe(reading_model(gate_of=perfect), graphs, node_budget=1, reference=perfect)
    assert probe.kl == pytest.approx(0, abs=1e-9)
    assert probe.drift == pytest.approx(0, abs=1e-12)
    assert probe.average_precision == pytest.approx(1)
    assert probe.pearson == pytest.approx(1)
    assert probe.recall_30 == pytest.approx(probe.candidate_recall)
    assert probe.strict_recall_30 == pytest.approx(probe.strict_candidate_recall)
    assert probe.calibration_error < 1e-6
    np.testing.assert_allclose(probe.reliability_predicted, probe.reliability_true, atol=1e-9)
    # With all pairs as candidates nothing is missed; 30 places hold more than the true neighbours.
    wide = [g.clone() for g in graphs]
    for graph in wide:
        n = graph.num_nodes
        graph.edge_index = torch.stack([torch.arange(n).repeat(n), torch.arange(n).repeat_interleave(n)])
    probe = gate_probe(reading_model(gate_of=perfect), wide, node_budget=1)
    assert (probe.recall_30, probe.candidate_recall, probe.strict_recall_30) == (1, 1, 1)
    degree = [graph.rw_edge_index.size(1) / graph.num_nodes for graph in graphs]
    assert probe.precision_30 == pytest.approx(np.mean(degree) / 30)


def test_a_gate_without_opinion(minisets, reading_model) -> None:
    probe = gate_probe(reading_model(gate_of=lambda x, e: torch.zeros(e.size(1))), minisets)
    degree = np.mean([np.log(np.bincount(minisets[i].edge_index[1]) - 1).mean() for i in range(len(minisets))])
    assert probe.entropy == pytest.approx(degree, rel=1e-6)
    assert np.isnan(probe.spearman)
    assert np.isnan(probe.drift)
    assert np.isnan(probe.spread["drift"])
    share = [(minisets[i].gate_target > 0).sum() / (minisets[i].edge_index.diff(dim=0) != 0).sum() for i in range(6)]
    assert probe.average_precision == pytest.approx(np.mean(share), rel=1e-6)
    assert probe.reliability_edges.sum() == sum(
        int((minisets[i].edge_index[0] != minisets[i].edge_index[1]).sum()) for i in range(6)
    )


def test_logits_per_head_count_as_their_mean(minisets, reading_model, gates) -> None:
    class Heads(reading_model):
        def __call__(self, batch, **kwargs):
            import dataclasses

            g = gates[0](batch.x, batch.edge_index).detach()
            return dataclasses.replace(super().__call__(batch, **kwargs), gate_logits=torch.stack([g + 1, g - 1], 1))

    one, two = gate_probe(reading_model(gate_of=gates[0]), minisets), gate_probe(Heads(), minisets)
    assert two.kl == pytest.approx(one.kl, rel=1e-5)
    assert two.self_mass == pytest.approx(one.self_mass, rel=1e-5)


def test_a_model_without_a_gate_is_refused(minisets, reading_model) -> None:
    with pytest.raises(NotMeasurable, match="expected a model with a gate, found function"):
        gate_probe(lambda batch: reading_model()(batch), minisets)

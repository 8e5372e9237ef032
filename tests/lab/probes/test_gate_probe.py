from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import average_precision_score
from torch_geometric.data import Batch

from pyg_gears.lab.probes.gate_probe import average_precision, gate_probe
from pyg_gears.losses import gate_kl
from pyg_gears.nn import EdgeGate

NODE_MEASURES = (
    "kl",
    "precision",
    "recall",
    "candidate_recall",
    "entropy",
    "drift",
    "spearman",
    "pearson",
    "self_mass",
)


def slow_gate(logits, reference, graph, truth, k: int) -> dict[str, float]:
    """Every measure of one miniset by a loop over its nodes."""
    source, target = graph.edge_index
    found: dict[str, list[float]] = {}
    scores, labels = [], []
    for i in range(graph.num_nodes):
        own = ((target == i) & (source != i)).nonzero().flatten()
        g, r = (v[own].double().numpy() for v in (logits, reference))
        t = truth[i, source[own]].numpy()
        q, old, p = np.exp(g) / np.exp(g).sum(), np.exp(r) / np.exp(r).sum(), t / max(t.sum(), 1e-300)
        chosen = set(source[own][np.argsort(-g, kind="stable")[:k].copy()].tolist())
        best = {j for j in np.argsort(-truth[i].numpy(), kind="stable")[:k].tolist() if truth[i, j] > 0}
        row = {
            "kl": (p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum(),
            "precision": len(chosen & best) / len(chosen),
            "recall": len(chosen & best) / len(best),
            "candidate_recall": len(set(source[own].tolist()) & best) / len(best),
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


def test_every_measure_equals_the_loops(minisets, reading_model, transitions, gates) -> None:
    gate, old = gates
    fast = gate_probe(reading_model(gate_of=gate), minisets, node_budget=120, reference=old.train(), k=6)
    assert old.training
    old.eval()
    slow = []
    with torch.no_grad():
        for graph in (minisets[i] for i in range(len(minisets))):
            x, e = graph.x, graph.edge_index
            slow.append(slow_gate(gate(x, e), old(x, e), graph, transitions(graph), 6))
    for name in (*NODE_MEASURES, "average_precision"):
        values = np.array([each[name] for each in slow])
        assert getattr(fast, name) == pytest.approx(values.mean(), rel=1e-5), name
        assert fast.spread[name] == pytest.approx(values.std(), rel=1e-4), name


def test_kl_is_the_loss_of_training(minisets, reading_model, gates) -> None:
    batch = Batch.from_data_list([minisets[i] for i in range(len(minisets))])
    loss = float(gate_kl(gates[0](batch.x, batch.edge_index).detach(), batch))
    assert gate_probe(reading_model(gate_of=gates[0]), minisets).kl == pytest.approx(loss, rel=1e-5)


def test_a_perfect_gate(minisets, reading_model, transitions) -> None:
    graphs = [minisets[i] for i in range(len(minisets))]

    def perfect(x, edges):
        graph = next(g for g in graphs if torch.equal(g.x, x))
        return (transitions(graph)[edges[1], edges[0]] + 1e-30).log().masked_fill(edges[0] == edges[1], 0.0)

    probe = gate_probe(reading_model(gate_of=perfect), graphs, node_budget=1, reference=perfect, k=4)
    assert probe.kl == pytest.approx(0, abs=1e-9)
    assert probe.drift == pytest.approx(0, abs=1e-12)
    assert probe.average_precision == pytest.approx(1)
    assert probe.pearson == pytest.approx(1)
    assert probe.recall == pytest.approx(probe.candidate_recall)
    assert probe.precision > 0.8
    assert probe.calibration_error < 1e-6
    np.testing.assert_allclose(probe.reliability_predicted, probe.reliability_true, atol=1e-9)
    # Every node has four true neighbours: with all pairs as candidates nothing is missed.
    wide = [g.clone() for g in graphs]
    for graph in wide:
        n = graph.num_nodes
        graph.edge_index = torch.stack([torch.arange(n).repeat(n), torch.arange(n).repeat_interleave(n)])
    probe = gate_probe(reading_model(gate_of=perfect), wide, node_budget=1, k=4)
    assert (probe.precision, probe.recall, probe.candidate_recall) == (1, 1, 1)


def test_a_gate_without_opinion(minisets, reading_model) -> None:
    probe = gate_probe(reading_model(gate_of=lambda x, e: torch.zeros(e.size(1))), minisets, k=6)
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


def test_average_precision_with_ties() -> None:
    generator = np.random.default_rng(0)
    score, positive = generator.integers(0, 6, 200) / 3, generator.random(200) < 0.3
    assert average_precision(score, positive) == pytest.approx(average_precision_score(positive, score))
    assert np.isnan(average_precision(score, np.zeros(200, dtype=bool)))


def test_a_model_without_a_gate_is_refused(minisets, reading_model) -> None:
    model = reading_model()
    with pytest.raises(ValueError, match="expected a model with a gate"):
        gate_probe(lambda batch: model(batch, use_gate=False), minisets)

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torch_geometric.data import Batch

from pyg_gears.lab.probes.attention_probe import attention_probe
from pyg_gears.models import IPALite
from pyg_gears.report.report_folder import plain


def slow_probe(model, graphs, transitions, k: int) -> dict[str, np.ndarray]:
    """Every measure by loops over minisets, recycles, heads and nodes: (m, recycles, h)."""
    found: dict[str, list] = {}
    for graph in graphs:
        truth = transitions(graph)
        output = model(Batch.from_data_list([graph]), return_terms=True)
        source, target = output.edge_index
        values: dict[str, list] = {}
        start = output.initial
        for terms, pos in zip(output.terms, output.trajectory, strict=True):
            per: dict[str, list] = {}
            for h in range(terms.alpha.size(1)):
                rows: dict[str, list] = {}
                for i in range(graph.num_nodes):
                    own = (target == i).nonzero().flatten()
                    alpha = terms.alpha[own, h].double().numpy()
                    rows.setdefault("entropy", []).append(-(alpha * np.log(alpha)).sum())
                    own = own[source[own] != i]
                    alpha = terms.alpha[own, h].double().numpy()
                    true = [j for j in np.argsort(-truth[i].numpy(), kind="stable")[:k].tolist() if truth[i, j] > 0]
                    chosen = source[own][np.argsort(-alpha, kind="stable")[:k].copy()].tolist()
                    rows.setdefault("recall", []).append(len(set(chosen) & set(true)) / len(true))
                    inside = len(set(source[own].tolist()) & set(true)) / len(true)
                    rows.setdefault("candidate_recall", []).append(inside)
                    total = 0
                    for name in ("qk", "gate", "geo", "pair"):
                        term = getattr(terms, name)[own, h].double().numpy()
                        total = total + term
                        rows.setdefault(f"std {name}", []).append(term.std())
                        constant = np.ptp(term) == 0
                        rho = np.nan if constant else stats.spearmanr(alpha, term).statistic
                        rows.setdefault(f"spearman {name}", []).append(rho)
                    rows.setdefault("std total", []).append(np.std(total))
                for name, row in rows.items():
                    per.setdefault(name, []).append(np.mean(row))
            for name, heads in per.items():
                values.setdefault(name, []).append(heads)
            values.setdefault("step", []).append(float((pos - start).norm()) / graph.num_nodes**0.5)
            start = pos
        for name, recycles in values.items():
            found.setdefault(name, []).append(recycles)
    return {name: np.array(each) for name, each in found.items()}


def test_every_measure_equals_the_loops(minisets, reading_model, transitions) -> None:
    model, graphs = reading_model(), [minisets[i] for i in range(3)]
    # The terms of this model depend on the place of an edge in its batch.
    fast = attention_probe(model, graphs, node_budget=1, k=6)
    slow = slow_probe(model, graphs, transitions, 6)
    for name in ("recall", "entropy", "step"):
        np.testing.assert_allclose(getattr(fast, name), slow[name].mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(getattr(fast, f"{name}_spread"), slow[name].std(axis=0), rtol=1e-4, atol=1e-7)
    for term in ("qk", "gate", "geo", "pair"):
        np.testing.assert_allclose(fast.spearman[term], slow[f"spearman {term}"].mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(fast.spearman_spread[term], slow[f"spearman {term}"].std(axis=0), atol=1e-6)
    for term in ("qk", "gate", "geo", "pair", "total"):
        np.testing.assert_allclose(fast.logit_std[term], slow[f"std {term}"].mean(axis=0), rtol=1e-5, atol=1e-12)
    assert fast.candidate_recall == pytest.approx(slow["candidate_recall"][:, 0, 0].mean())
    assert np.isnan(fast.spearman["pair"]).all()
    assert (fast.minisets, fast.k) == (3, 6)


def test_a_real_model_does_not_depend_on_the_company(minisets) -> None:
    model = IPALite.from_preset("d7", 8, recycles=2, hidden_channels=8, heads=2, head_channels=4, gate_channels=8)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=torch.Generator().manual_seed(weight.numel()))
    alone, together = attention_probe(model.train(), minisets, 1), attention_probe(model, minisets, 1000)
    assert model.training
    assert alone.recall.shape == (2, 2)
    assert alone.step.shape == (2,)
    for name in ("recall", "entropy", "step", "step_spread"):
        np.testing.assert_allclose(getattr(alone, name), getattr(together, name), rtol=1e-4, atol=1e-5)
    record = plain(alone._asdict())
    assert record["spearman"]["pair"] == [[None, None], [None, None]]


def test_attention_on_the_true_neighbours_has_full_recall(minisets, reading_model, transitions) -> None:
    graphs = [minisets[i] for i in range(3)]

    def knowing(x, edges):
        graph = next(g for g in graphs if torch.equal(g.x, x))
        return 100 * transitions(graph)[edges[1], edges[0]].float()

    model = reading_model(gate_of=knowing)
    probe = attention_probe(model, graphs, node_budget=1, k=4)
    lost = attention_probe(reading_model(gate_of=lambda x, e: -knowing(x, e)), graphs, node_budget=1, k=4)
    assert probe.recall.min() > 0.8 * probe.candidate_recall > lost.recall.max()
    assert (probe.recall <= probe.candidate_recall + 1e-12).all()
    assert probe.spearman["gate"].min() > 0.3


def test_refusals(minisets, reading_model) -> None:
    with pytest.raises(ValueError, match="expected at least one miniset"):
        attention_probe(reading_model(), [])

    def silent(batch, **_):
        return dataclasses.replace(reading_model()(batch), terms=None)

    with pytest.raises(ValueError, match="expected attention terms of every recycle"):
        attention_probe(silent, minisets)

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats
from torch_geometric.data import Batch

from pyg_gears.lab.probe import PUBLISHED, NotMeasurable
from pyg_gears.lab.probes import attention_probe as attention_probe_module
from pyg_gears.lab.probes.attention_probe import attention_probe
from pyg_gears.lab.probes.subject import OnSlide
from pyg_gears.models import IPALite
from pyg_gears.report.figure_style import new_figure
from pyg_gears.report.report_folder import plain


def slow_probe(model, graphs, transitions) -> dict[str, np.ndarray]:
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
                    true = set((truth[i] > 0).nonzero().flatten().tolist())
                    best = {j for j in np.argsort(-truth[i].numpy(), kind="stable")[:30].tolist() if truth[i, j] > 0}
                    inside = set(source[own].tolist())
                    chosen = set(source[own][np.argsort(-alpha, kind="stable")[:30].copy()].tolist())
                    rows.setdefault("recall_30", []).append(len(chosen & true) / 30)
                    rows.setdefault("strict_recall_30", []).append(len(chosen & best) / len(best))
                    rows.setdefault("candidate_recall_30", []).append(min(len(inside & true), 30) / 30)
                    rows.setdefault("strict_candidate_recall_30", []).append(len(inside & best) / len(best))
                    whole = np.log((target == i).sum().item())
                    rows.setdefault("relative_entropy", []).append(rows["entropy"][-1] / whole)
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


@pytest.mark.parametrize("kind", ["minisets", "crowded"])
def test_every_measure_equals_the_loops(request, kind, reading_model, transitions) -> None:
    model, drawn = reading_model(), request.getfixturevalue(kind)
    graphs = [drawn[i] for i in range(3)]
    # The terms of this model depend on the place of an edge in its batch.
    fast = attention_probe(model, graphs, node_budget=1)
    slow = slow_probe(model, graphs, transitions)
    np.testing.assert_allclose(fast.relative_entropy, slow["relative_entropy"].mean(axis=0), rtol=1e-5)
    for name in ("recall_30", "strict_recall_30", "entropy", "step"):
        np.testing.assert_allclose(getattr(fast, name), slow[name].mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(getattr(fast, f"{name}_spread"), slow[name].std(axis=0), rtol=1e-4, atol=1e-7)
    for term in ("qk", "gate", "geo", "pair"):
        np.testing.assert_allclose(fast.spearman[term], slow[f"spearman {term}"].mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(fast.spearman_spread[term], slow[f"spearman {term}"].std(axis=0), atol=1e-6)
    for term in ("qk", "gate", "geo", "pair", "total"):
        np.testing.assert_allclose(fast.logit_std[term], slow[f"std {term}"].mean(axis=0), rtol=1e-5, atol=1e-12)
    for name in ("candidate_recall_30", "strict_candidate_recall_30"):
        assert getattr(fast, name) == pytest.approx(slow[name][:, 0, 0].mean())
    assert np.isnan(fast.spearman["pair"]).all()
    assert fast.minisets == 3
    # With more than 30 true neighbours the published recall counts all of them, the strict one 30.
    assert (fast.recall_30 > fast.strict_recall_30).all() == (kind == "crowded")


def test_a_real_model_does_not_depend_on_the_company(minisets) -> None:
    model = IPALite.from_preset("d7", 8, recycles=2, hidden_channels=8, heads=2, head_channels=4, gate_channels=8)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=torch.Generator().manual_seed(weight.numel()))
    alone, together = attention_probe(model.train(), minisets, 1), attention_probe(model, minisets, 1000)
    assert model.training
    assert alone.recall_30.shape == (2, 2)
    assert alone.step.shape == (2,)
    for name in ("recall_30", "entropy", "step", "step_spread"):
        np.testing.assert_allclose(getattr(alone, name), getattr(together, name), rtol=1e-4, atol=1e-5)
    record = plain(alone._asdict())
    assert record["spearman"]["pair"] == [[None, None], [None, None]]


def test_attention_on_the_true_neighbours_reaches_the_ceiling(crowded, reading_model, transitions) -> None:
    graphs = [crowded[i] for i in range(3)]

    def knowing(x, edges):
        graph = next(g for g in graphs if torch.equal(g.x, x))
        return 1000 * (transitions(graph)[edges[1], edges[0]] > 0).float()

    model = reading_model(gate_of=knowing)
    probe = attention_probe(model, graphs, node_budget=1)
    lost = attention_probe(reading_model(gate_of=lambda x, e: -knowing(x, e)), graphs, node_budget=1)
    np.testing.assert_allclose(probe.recall_30, probe.candidate_recall_30)
    assert (lost.recall_30 < probe.recall_30).all()
    assert (lost.strict_recall_30 <= lost.strict_candidate_recall_30 + 1e-12).all()
    assert probe.spearman["gate"].min() > 0.3


def test_refusals(minisets, reading_model) -> None:
    with pytest.raises(ValueError, match="expected at least one miniset"):
        attention_probe(reading_model(), [])

    def silent(batch, **_):
        return dataclasses.replace(reading_model()(batch), terms=None)

    def plain_model(batch):
        return reading_model()(batch)

    for model in (silent, plain_model):
        with pytest.raises(NotMeasurable, match="expected attention terms of every recycle, found none in function"):
            attention_probe(model, minisets)


def test_figure_and_table_follow_the_record(minisets, reading_model) -> None:
    pytest.importorskip("matplotlib")
    probes = [
        attention_probe(reading_model(recycles=3), minisets),
        attention_probe(reading_model(3, stay=0.2), minisets),
    ]
    found = (OnSlide("a", "held out", tuple(probes)), OnSlide("b", "seen in training", (probes[1], probes[1])))
    figure = new_figure(4, 4)
    attention_probe_module.PROBE.draw(found, figure)
    assert len(figure.axes) == 2 * 5
    (mean,) = (line for line in figure.axes[0].lines if line.get_label() == "mean")
    np.testing.assert_allclose(mean.get_ydata(), np.mean([p.recall_30.mean(axis=1) for p in probes], axis=0))
    assert all(figure.axes[c].get_ylim() == figure.axes[5 + c].get_ylim() for c in range(5))
    drawn = {line.get_label() for line in figure.axes[3].lines if line.get_label()[0] != "_"}
    assert drawn == {"gate", "qk", "geo", "all terms"}  # this model has no pair term
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == len(set(texts))
    tables = attention_probe_module.PROBE.tables(found)
    table = next(iter(tables.values()))
    assert list(table.index) == ["recycle 1", "recycle 2", "recycle 3", "ceiling"]
    heads = np.concatenate([p.recall_30[1] for p in probes])
    assert table.loc["recycle 2", "recall@30"] == f"{heads.mean():.3f} ({heads.min():.2f}-{heads.max():.2f})"
    assert "rho pair" not in table
    assert "rho gate" in table


def test_requirements_are_read_from_the_mean(minisets, reading_model) -> None:
    probe = attention_probe(reading_model(), minisets)
    (slide,) = found = (OnSlide("a", "held out", (probe,)),)
    checks = {check.name: check for check in attention_probe_module.PROBE.requirements(found)}
    assert {check.subject for check in checks.values()} == {slide.label}
    recall = probe.recall_30.mean(axis=1).min()
    assert checks["lowest recall@30 of a recycle"].value == pytest.approx(recall)
    assert checks["lowest recall@30 of a recycle"].basis == PUBLISHED
    share = checks["lowest recall@30 of a recycle / its ceiling"]
    assert share.value == pytest.approx(recall / probe.candidate_recall_30)
    assert checks["highest std of the logits"].value == probe.logit_std["total"].max()
    assert checks["Spearman with the gate, last recycle"].value == pytest.approx(probe.spearman["gate"][-1].mean())

from __future__ import annotations

import math

import pytest

from pyg_gears.lab.experiments.evaluations import EVALUATIONS, measure
from pyg_gears.lab.probes.attention_probe import attention_probe
from pyg_gears.layout import reconstruct_layout
from pyg_gears.metrics import evaluate_layout
from pyg_gears.training.oracle import mean_energies


def test_the_numbers_of_a_run(trained) -> None:
    found = measure(trained)
    assert found | mean_energies(trained.model, trained.prepared.validation, 160) == found
    assert found["parameters"] == sum(p.numel() for p in trained.model.parameters())
    assert 0 < found["candidate_recall"] <= 1
    assert found["recall"] <= found["candidate_recall"] + 1e-6
    assert found["gate_kl"] > 0
    assert found["healthy"] <= min(value for name, value in found.items() if name.startswith("healthy "))


@pytest.mark.parametrize("name", ["gap", "negative-controls", "candidate-robustness"])
def test_probes_give_plain_numbers_that_agree_with_the_run(name, trained) -> None:
    found = EVALUATIONS[name](trained)
    assert all(isinstance(value, float) for value in found.values())
    h_gate = mean_energies(trained.model, trained.prepared.validation, 160)["h_gate"]
    known = {"gap": "learned_gate", "negative-controls": "clean"}
    if name in known:
        assert found[known[name]] == pytest.approx(h_gate, abs=1e-4)
    else:
        ks = [value for key, value in found.items() if key.startswith("k ")]
        assert found["range"] == pytest.approx(max(ks) - min(ks))
    if name == "gap":
        assert found["cost of gap"] == pytest.approx(found["learned_gate"] - found["oracle"])
    if name == "negative-controls":
        assert found["factor shuffled"] == pytest.approx(found["shuffled"] / found["clean"])
        assert not math.isnan(found["random_graph"])


def test_the_layout_is_that_of_the_held_out_slide(trained) -> None:
    found = EVALUATIONS["layout"](trained)
    (slide,) = trained.prepared.validation.slides
    candidates = trained.prepared.candidates
    pos = reconstruct_layout(trained.model, slide.x, candidates=candidates, seed=trained.seed, progress=False).pos
    truth = evaluate_layout(pos, slide.pos.numpy())
    assert found == {name: truth[name] for name in ("spearman", "trust_20", "recall_15")}


def test_edges_are_compared_with_the_true_ones(trained) -> None:
    found = EVALUATIONS["edge-overlap"](trained)
    rows = []
    for data in trained.minisets:
        candidates = {(int(i), int(j)) for i, j in data.edge_index.T if i != j}
        true = {(int(i), int(j)) for i, j in data.rw_edge_index.T}
        both = len(candidates & true)
        rows.append(
            (both / len(true), len(candidates - true) / len(candidates), both / len(candidates | true), len(candidates))
        )
    means = [sum(row[i] for row in rows) / len(rows) for i in range(3)]
    assert [found[name] for name in ("recall", "false", "overlap")] == pytest.approx(means)
    degrees = [row[3] / data.num_nodes for row, data in zip(rows, trained.minisets, strict=True)]
    assert found["per node"] == pytest.approx(sum(degrees) / len(degrees))
    assert 15 <= found["per node"] < 30


def test_attention_is_given_by_recycle(trained) -> None:
    found = EVALUATIONS["attention"](trained)
    probe = attention_probe(trained.model, trained.minisets, 160)
    recall = probe.recall_30.mean(axis=1)
    assert [found[f"recall, recycle {r}"] for r in (1, 2, 3)] == pytest.approx(recall.tolist())
    assert found["lowest recall"] == pytest.approx(recall.min())
    std = probe.logit_std["total"].mean(axis=1)
    assert (found["lowest logit std"], found["highest logit std"]) == pytest.approx((std.min(), std.max()))
    assert found["spearman gate, recycle 1"] == pytest.approx(probe.spearman["gate"].mean(axis=1)[0])

from __future__ import annotations

import math

import pytest
import torch

from pyg_gears.geometry import gauge_fix
from pyg_gears.lab.experiments import RunRecord
from pyg_gears.lab.experiments.evaluations import EVALUATIONS, measure
from pyg_gears.lab.experiments.table import format_table
from pyg_gears.lab.probes.attention_probe import attention_probe
from pyg_gears.layout import reconstruct_layout
from pyg_gears.metrics import evaluate_layout
from pyg_gears.models import StructureModel, StructureOutput
from pyg_gears.models.graph_input import read_graphs
from pyg_gears.training.oracle import mean_energies


def test_the_numbers_of_a_run(trained) -> None:
    found = measure(trained)
    assert found | mean_energies(trained.model, trained.prepared.validation, 160) == found
    assert found["parameters"] == sum(p.numel() for p in trained.model.parameters())
    assert 0 < found["candidate_recall"] <= 1
    assert found["recall"] <= found["candidate_recall"] + 1e-6
    assert found["gate_kl"] > 0
    assert found["healthy"] <= min(value for name, value in found.items() if name.startswith("healthy "))


class Guess(StructureModel):
    """A first guess of the coordinates and nothing else: no gate."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels)
        self.place = torch.nn.Linear(in_channels, 2)

    def forward(self, batch, *, edge_index=None, noise=None, generator=None) -> StructureOutput:
        graphs = read_graphs(batch, edge_index, self.in_channels)
        return StructureOutput(graphs.edge_index, (gauge_fix(self.place(graphs.x), graphs.batch, graphs.num_graphs),))


def test_a_model_without_a_gate_is_measured_in_everything_else(trained, experiment, records) -> None:
    run = trained._replace(model=Guess(trained.model.in_channels).eval())
    found = measure(run)
    assert set(measure(trained)) - set(found) == {"precision", "recall", "candidate_recall", "gate_kl"}
    assert found["h_gate"] > 0
    assert found["parameters"] == 2 * run.model.in_channels + 2
    assert 0 <= found["healthy"] <= 1
    plain = RunRecord(variant="k 10", protocol="inductive", fold="a", seed=0, numbers=found)
    table = format_table(experiment, [*records[:4], plain])
    lines = table.splitlines()
    head = next(line for line in lines if "precision@30" in line)
    row = next(line for line in lines[lines.index(head) :] if line.startswith("k 10"))
    end = head.index("precision@30") + len("precision@30")
    assert row[:end].split()[-1] == "--"
    assert f"{found['h_gate']:.3f}" in row


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

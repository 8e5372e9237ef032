from __future__ import annotations

import math

import pytest

from pyg_gears.lab.experiments.evaluations import EVALUATIONS, measure
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


@pytest.mark.parametrize("name", ["gap", "poison-pills", "candidate-robustness"])
def test_probes_give_plain_numbers_that_agree_with_the_run(name, trained) -> None:
    found = EVALUATIONS[name](trained)
    assert all(isinstance(value, float) for value in found.values())
    h_gate = mean_energies(trained.model, trained.prepared.validation, 160)["h_gate"]
    known = {"gap": "learned_gate", "poison-pills": "clean"}
    if name in known:
        assert found[known[name]] == pytest.approx(h_gate, abs=1e-4)
    else:
        ks = [value for key, value in found.items() if key.startswith("k ")]
        assert found["range"] == pytest.approx(max(ks) - min(ks))
    if name == "gap":
        assert found["cost of gap"] == pytest.approx(found["learned_gate"] - found["oracle"])
    if name == "poison-pills":
        assert found["factor shuffled"] == pytest.approx(found["shuffled"] / found["clean"])
        assert not math.isnan(found["random_graph"])


def test_the_layout_is_that_of_the_held_out_slide(trained) -> None:
    found = EVALUATIONS["layout"](trained)
    (slide,) = trained.prepared.held_out
    candidates = trained.prepared.candidates
    pos = reconstruct_layout(trained.model, slide.x, candidates=candidates, seed=trained.seed, progress=False).pos
    truth = evaluate_layout(pos, slide.pos.numpy())
    assert found == {name: truth[name] for name in ("spearman", "trust_20", "recall_15")}

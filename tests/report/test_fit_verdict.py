from __future__ import annotations

import pytest

from pyg_gears.report import fit_verdict

REPORT = {"h_gate": 1.0, "t_edge": 0.25, "held_out": ["s2"], "held_out_is_block": False}


@pytest.mark.parametrize(
    ("rival", "word"), [(1.2, "better than"), (1.04, "level with"), (0.96, "level with"), (0.9, "worse than")]
)
def test_the_energy_is_set_beside_the_truth_and_the_rivals(rival: float, word: str) -> None:
    text = fit_verdict({**REPORT, "rivals": {"knn_regression": rival, "ridge": 0.5}})
    start = "E_geo on s2, where the truth has 0: 1.000 with the inferred graph, 0.250 with the true one; "
    known = f"kNN regression ({rival:.3f})"
    if word == "worse than":
        assert text == f"{start}worse than {known} and ridge regression (0.500)"
    else:
        assert text == f"{start}{word} {known}, worse than ridge regression (0.500)"


def test_a_model_without_rivals_and_a_block() -> None:
    text = fit_verdict({**REPORT, "held_out": ["a", "b"], "held_out_is_block": True})
    assert text.startswith("E_geo on a, b (a block of each), where the truth has 0: 1.000")
    assert text.endswith("0.250 with the true one")
    alone = fit_verdict({**REPORT, "held_out": ["a"], "held_out_is_block": True})
    assert alone.startswith("E_geo on a (a block of it), where the truth has 0: 1.000")


def test_the_quality_of_the_held_out_layout_comes_first() -> None:
    text = fit_verdict({**REPORT, "held_out_quality": 0.617})
    assert text.startswith("Rank correlation of predicted and true distances 0.62, E_geo on s2, where")

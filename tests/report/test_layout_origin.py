from __future__ import annotations

import numpy as np
import pytest

from pyg_gears.report.confidence_verdict import confidence_verdict
from pyg_gears.report.layout_origin import domain_warnings, layout_origin, training_sentences


def test_json_text_and_arrays_become_python_values() -> None:
    uns = {
        "gears": {
            "model": {"slides": '["a", "b"]', "genes": np.int64(3)},
            "x": "null",
            "odd": "[no json",
            "a": np.ones(2),
        }
    }
    assert layout_origin(uns) == {
        "model": {"slides": ["a", "b"], "genes": 3},
        "x": None,
        "odd": "[no json",
        "a": [1.0, 1.0],
    }
    assert layout_origin({}) == layout_origin({"gears": "text"}) == {}


def test_what_the_model_was_trained_on() -> None:
    model = {"slides": ["a", "b", "c"], "held_out": ["c"], "held_out_is_block": False, "cells": 1200, "genes": 3000}
    lines = training_sentences(model)
    assert lines[0] == "Trained on 2 slides: a, b."
    assert "Held out" in lines[1]
    assert lines[1].endswith(": c.")
    joined = training_sentences({**model, "held_out_joined": True})
    assert joined[1] == f"{lines[1]} Afterwards it joined the fit."
    anew = training_sentences({**model, "held_out_joined": True, "trained_on_all": True})
    assert anew[:2] == [
        "Trained on 3 slides: a, b, c.",
        "Held out in the first round, to calibrate the confidence: c. In the second, the model was trained anew on all spots.",
    ]
    assert "1,200 cells" in lines[3]
    blocks = training_sentences({"slides": ["a"], "held_out": ["a"], "held_out_is_block": True, "cells": 0})
    assert blocks[0] == "Trained on 1 slide: a."
    assert blocks[1].startswith("A block of it was held out from the training; ")
    assert blocks[1].endswith("calibrated on blocks of the slide, each placed by the rest.")
    again = training_sentences({"slides": ["a"], "held_out": ["a"], "held_out_is_block": True, "trained_on_all": True})
    assert again[1].startswith(
        "A block of it was held out in the first round; the confidence was calibrated on blocks of the slide,"
    )
    assert again[1].endswith("each placed by the rest. In the second, the model was trained anew on all spots.")
    two = training_sentences({"slides": ["a", "b"], "held_out": ["a", "b"], "held_out_is_block": True, "cells": 0})
    assert two[1].startswith("A block of each was held out from the training; ")
    assert two[1].endswith("calibrated on each slide placed by the others.")
    assert blocks[-1] == "No cells joined its fit."
    assert "does not say" in training_sentences({})[0]


def test_the_energy_of_the_model_stands_beside_the_regressions() -> None:
    model = {"slides": ["a", "b"], "held_out": ["b"], "held_out_is_block": False, "h_gate": 0.5, "t_edge": 0.2}
    assert training_sentences(model)[-1].startswith("E_geo on b, where the truth has 0: 0.500 with the inferred graph")
    rivals = {"ridge": 0.8, "knn_regression": "text of a stranger", "unknown": 0.1}
    last = training_sentences({**model, "rivals": rivals})[-1]
    assert "1 where they are perfect and 0 by chance; E_geo is an error of" in training_sentences(model)[-2]
    assert last.endswith("; better than ridge regression (0.800). A lower E_geo is better.")
    foreign = training_sentences({**model, "held_out_quality": "text of a stranger"})[-1]
    assert foreign.startswith("E_geo on b")
    assert "E_geo" not in training_sentences({**model, "t_edge": "0.2"})[-1]


@pytest.mark.parametrize(("adapted", "words"), [(True, "an adapter moved them"), (False, "no adapter was used")])
def test_far_cells_are_warned_about(adapted: bool, words: str) -> None:
    far = {"coral": 1.0, "mmd": 0.01, "covariance": 0.9}
    (warning,) = domain_warnings({"gap": far, "adapted": adapted})
    assert words in warning
    assert "covariance 0.90" in warning
    assert domain_warnings({"gap": {**far, "covariance": 0.2}}) == []
    assert domain_warnings({"gap": {"mmd": 3.0}}) == domain_warnings({}) == []


@pytest.mark.parametrize(
    ("mean", "word"),
    [(0.9, "Reliable"), (0.6, "Reliable"), (0.5, "Coarse only"), (0.3, "Coarse only"), (0.1, "Cannot tell")],
)
def test_a_file_without_a_verdict_is_judged_by_its_mean_confidence(mean: float, word: str) -> None:
    lines = confidence_verdict(np.full(20, mean), {})
    assert lines[0].startswith(f"{word}: ")
    assert lines[1] == f"Reason: mean confidence {mean:.2f}."


def test_the_verdict_of_the_file_is_what_the_page_says() -> None:
    found = {"word": "coarse only", "reason": "cells have few counts", "remedy": "deeper sequencing"}
    lines = confidence_verdict(np.full(20, 0.9), found)
    assert lines[0].startswith("Coarse only: only broad trends")
    assert lines[1] == "Reason: cells have few counts. What would help: deeper sequencing."


def test_the_verdict_counts_cells_and_bears_none() -> None:
    lines = confidence_verdict(np.array([0.8, 0.8, 0.5, 0.1]), {})
    assert "50% of the cells have a confidence of at least 0.6, 75% of at least 0.3." in lines[2]
    assert confidence_verdict(np.array([np.nan]), {}) == ["No cell has a confidence."]

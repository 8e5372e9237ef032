from __future__ import annotations

import pytest

from pyg_gears.layout import layout_verdict
from pyg_gears.layout.verdict import USES

GOOD = {"cells": 300, "far": False, "depth": 1.0, "signal": 1.0, "held_out": 0.7, "slides": 3}


@pytest.mark.parametrize(
    ("confidence", "word"),
    [(0.9, "reliable"), (0.6, "reliable"), (0.59, "coarse only"), (0.3, "coarse only"), (0.29, "cannot tell")],
)
def test_the_word_follows_the_mean_confidence(confidence, word):
    verdict = layout_verdict(confidence, **GOOD)
    assert verdict.word == word
    assert (verdict.remedy == "") == (word == "reliable")
    assert verdict.use == f"{word.capitalize()}: {USES[word]}."
    assert verdict.explanation.startswith(f"Reason: mean confidence {confidence:.2f}")
    assert ("What would help:" in verdict.explanation) == (word != "reliable")


def test_far_cells_are_never_reliable():
    verdict = layout_verdict(0.9, **GOOD | {"far": True})
    assert verdict.word == "coarse only"
    assert "far from the training spots" in verdict.reason
    assert "same tissue, patient and platform" in verdict.remedy


def test_few_cells_are_never_reliable_and_are_the_reason():
    verdict = layout_verdict(0.9, **GOOD | {"cells": 15, "far": True})
    assert verdict.word == "coarse only"
    assert "15 cells do not show how far" in verdict.reason
    assert verdict.remedy == "16 cells or more in the file"
    assert layout_verdict(0.2, **GOOD | {"cells": 15}).word == "cannot tell"
    assert layout_verdict(0.9, **GOOD | {"cells": 16}).word == "reliable"


def test_one_slide_alone_is_never_called_reliable():
    verdict = layout_verdict(0.7, **GOOD | {"slides": 1})
    assert verdict.word == "coarse only"
    assert "one slide does not show" in verdict.reason
    assert verdict.remedy == "a second slide"
    assert layout_verdict(0.7, **GOOD | {"slides": 2}).word == "reliable"
    assert layout_verdict(0.2, **GOOD | {"slides": 1}) == layout_verdict(0.2, **GOOD)


@pytest.mark.parametrize(
    ("change", "reason", "remedy"),
    [
        ({"depth": 0.4, "signal": 0.4}, "few counts", "deeper sequencing"),
        ({"signal": 0.4, "held_out": 0.2}, "vary together less", "the gene names"),
        ({"held_out": 0.2}, "rank correlation of 0.20", "more slides"),
        ({"held_out": None}, "lie far apart", "more slides"),
        ({}, "lie far apart", "more slides"),
    ],
)
def test_the_first_reason_that_applies_is_given_with_what_would_help(change, reason, remedy):
    verdict = layout_verdict(0.2, **GOOD | change)
    assert reason in verdict.reason
    assert remedy in verdict.remedy

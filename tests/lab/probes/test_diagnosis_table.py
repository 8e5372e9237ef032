from __future__ import annotations

import copy
from typing import Any

import pytest

from pyg_gears.lab.probes.diagnosis_table import COSTS, ENERGIES, GATE, PILLS, diagnosis_table


def member(shift: float) -> dict[str, Any]:
    """What one member's report holds, as JSON gives it back."""
    heads = [[0.5 + shift, 0.7 + shift], [0.4 + shift, 0.6 + shift]]
    return {
        "gap": {"energy": dict.fromkeys(ENERGIES, 0.5 + shift), "cost": dict.fromkeys(COSTS, 0.25)},
        "gate": {**dict.fromkeys(GATE, 0.6), "k": 30, "kl": None},
        "energy_by_beta": {"0.0": 1.5, "2.0": 0.75 + shift},
        "attention": {
            "k": 30,
            "recall": heads,
            "entropy": heads,
            "logit_std": {"total": heads},
            "spearman": {"qk": heads, "gate": heads, "geo": heads, "pair": [[None, None], [None, None]]},
            "step": [0.2, 0.1],
            "candidate_recall": 0.95,
        },
        "alignment": {"spearman": dict.fromkeys(("neighbors", "ring", "landmarks", "all"), heads)},
        "pills": {"factor": {**dict.fromkeys(PILLS, 6.5), "other_miniset": None}},
        "collapse": {"rate": 0.98, "passing": dict.fromkeys(("eigenvalue_ratio", "nn_p5", "median_distance"), 1.0)},
        "robustness": {"energy": {"80": 0.4, "100": 0.41}},
    }


@pytest.fixture
def report() -> dict[str, Any]:
    recovery = {"overlap": 0.3, "recall": 0.8, "jaccard": 0.2, "mean_distance": 0.1, "diffusion": {"1": 0.25, "4": 0.5}}
    checks = [
        {"name": "H-gate", "value": 0.31, "threshold": "at most 0.35", "passed": True, "note": ""},
        {"name": "gap", "value": 0.4, "threshold": "at most 0.19", "passed": False, "note": "mostly gating"},
        {"name": "seeds", "value": None, "threshold": "at most 0.02", "passed": None, "note": "one seed"},
    ]
    slide = {"spots": 500, "sizes": [96, 120], "recovery": {"cosine": recovery}, "readiness": checks}
    slides = [
        {**slide, "name": "left", "status": "held out", "members": [member(0.0), member(0.1)]},
        {**slide, "name": "right", "status": "seen in training", "members": [member(0.2), member(0.2)]},
    ]
    return {"members": 2, "minisets": 7, "seed": 3, "beta": 2.0, "slides": slides}


def line(text: str, start: str) -> str:
    return next(row for row in text.splitlines() if row.startswith(f"  {start}"))


def test_means_and_deviations_over_members(report) -> None:
    text = diagnosis_table(report)
    assert text.startswith("2 members, 7 minisets of each slide, seed 3; mean +- standard deviation over members")
    assert "left: 500 spots, held out; minisets of 96-120 spots" in text
    assert line(text, "candidates, learned gate").split()[-6:] == ["0.550", "+-", "0.050", "0.700", "+-", "0.000"]
    assert line(text, "beta 2").split()[2:5] == ["0.800", "+-", "0.050"]
    assert line(text, "precision@30").split()[-3:] == ["0.600", "+-", "0.000"]
    assert line(text, "KL from").split()[-2:] == ["--", "--"]
    assert line(text, "H of another").split()[-2:] == ["--", "--"]
    assert line(text, "all three").split()[-3:] == ["0.980", "+-", "0.000"]
    assert line(text, "k = 100").split()[3:6] == ["0.410", "+-", "0.000"]


def test_attention_a_line_a_recycle_with_the_lowest_and_highest_head(report) -> None:
    text = diagnosis_table(report)
    assert line(text, "recycle").split()[-6:] == ["rho", "qk", "rho", "gate", "rho", "geo"]
    assert line(text, "1 ").split()[1:5] == ["0.650", "(0.50-0.80)", "0.650", "(0.50-0.80)"]
    assert line(text, "2 ").split()[6] == "0.100"
    assert line(text, "ceiling").split() == ["ceiling", "0.950"]


def test_pass_and_fail_are_told_with_their_figures(report) -> None:
    text = diagnosis_table(report)
    assert line(text, "pass").split() == ["pass", "H-gate", "0.310", "at", "most", "0.35"]
    assert line(text, "FAIL").endswith("at most 0.19  (mostly gating)")
    assert line(text, "--").split()[:3] == ["--", "seeds", "not"]


def test_one_member_has_no_deviation(report) -> None:
    single = copy.deepcopy(report)
    single["members"] = 1
    for slide in single["slides"]:
        slide["members"] = slide["members"][:1]
        slide["sizes"] = [96]
    text = diagnosis_table(single)
    assert text.startswith("1 member, 7 minisets of each slide, seed 3\n")
    assert "+-" not in text
    assert "minisets of 96 spots" in text
    assert max(map(len, text.splitlines())) <= 130

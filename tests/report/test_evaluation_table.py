from __future__ import annotations

import math
from typing import Any

from pyg_gears.metrics import BETTER
from pyg_gears.report import format_table


def _report(**methods: dict[str, float]) -> dict[str, Any]:
    return {
        "layout": "layout.h5ad",
        "cells": 90,
        "truth_key": "spatial",
        "references": ["a", "b"],
        "notes": ["A note."],
        "methods": {name: dict.fromkeys(BETTER, 0.5) | scores for name, scores in methods.items()},
        "confidence": {"local_rho": 0.25, "position_rho": -0.5},
        "label_free": {name: {"moran_i": 0.3} for name in methods},
    }


def _row(table: str, key: str) -> str:
    return next(line for line in table.splitlines() if line.startswith(key + " "))


def test_stars_follow_the_direction_and_a_better_rival_is_named() -> None:
    table = format_table(
        _report(
            gears={"spearman": 0.6, "stress_1": 0.3, "nn_cv": 0.9},
            tsne={"spearman": 0.7, "stress_1": 0.4, "nn_cv": 0.1},
        )
    )
    assert _row(table, "spearman").split() == ["spearman", "higher", "0.600", "0.700*"]
    assert _row(table, "stress_1").split() == ["stress_1", "lower", "0.300*", "0.400"]
    assert _row(table, "nn_cv").split() == ["nn_cv", "0.900", "0.100"]
    assert "GEARS is best in 19 of 20 metrics." in table
    assert "In spearman t-SNE is better: 0.700 against 0.600." in table
    assert "In trust_20" not in table
    assert "+0.250 within neighbourhoods, -0.500 in position" in table
    assert "spearman: rank correlation of predicted and true distances, 1 is perfect, 0 is chance" in table
    assert table.endswith("A note.\n")


def test_undefined_values_and_small_numbers() -> None:
    table = format_table(_report(gears={"edge_auc": math.nan, "w1_knn": 0.00123}, tsne={"edge_auc": 0.5}))
    assert _row(table, "edge_auc").split() == ["edge_auc", "higher", "--", "0.500*"]
    assert "0.0012" in _row(table, "w1_knn")
    assert "of 19 metrics" in table
    both = format_table(_report(gears={"edge_auc": math.nan}, tsne={"edge_auc": math.nan}))
    assert "edge_auc" not in both


def test_one_method_has_no_stars() -> None:
    table = format_table(_report(gears={}))
    assert "*" not in table
    assert "No rival was computed" in table


def test_communities_one_by_one() -> None:
    report = _report(gears={}) | {"community_neighbors": 15, "community_resolution": 0.2}
    report["communities"] = {
        "gears": [
            {"size": 60, "majority": "layer 2", "purity": 0.75},
            {"size": 30, "majority": "wm", "purity": 1.0},
        ]
    }
    lines = format_table(report).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("communities (k = 15, resolution 0.2)"))
    assert lines[first].split()[-3:] == ["cells", "majority", "purity"]
    assert lines[first + 1].split() == ["0", "60", "layer", "2", "0.750"]
    assert lines[first + 2].split() == ["1", "30", "wm", "1.000"]


def test_counts_stay_integers_and_the_truth_has_no_star() -> None:
    report = _report(gears={"spearman": 0.6}, tsne={"spearman": 0.5})
    report["label_free"] = {
        name: {"moran_i": 0.3, "purity": 0.9, "communities": 8} for name in ("gears", "tsne", "truth")
    }
    table = format_table(report)
    assert _row(table, "communities").split() == ["communities", "8", "8", "8"]
    # No direction, no column for one.
    assert next(line for line in table.splitlines() if line.startswith("without truth")).split()[2:] == [
        *("GEARS", "t-SNE", "truth")
    ]
    assert "moran_i: how smoothly" in table
    assert "purity_chance" not in table

"""How good a fit is on what it held out, in one line: the layout, and energies beside the truth and simple regressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyg_gears.training.held_out import held_out_block

LEVEL = 0.05
"""Relative difference below which energies are level: about their deviation between seeds."""

TITLES = {"knn_regression": "kNN regression", "ridge": "ridge regression"}


def fit_verdict(report: Mapping[str, Any]) -> str:
    """Quality of the layout of what a fit held out, E_geo there, and whether simple regressions on the same embedding do better.

    Args:
        report: ``FittedGears.report``.

    Returns:
        One line without a full stop.
    """
    energy = report["h_gate"]
    held_out = ", ".join(report["held_out"])
    held_out += f" ({held_out_block(len(report['held_out']))})" if report["held_out_is_block"] else ""
    text = (
        f"E_geo on {held_out}, where the truth has 0: {energy:.3f} with the inferred graph, {report['t_edge']:.3f} with the true "
        "one"
    )
    quality = report.get("held_out_quality")  # older models have none
    if isinstance(quality, float):
        text = f"Rank correlation of predicted and true distances {quality:.2f}, {text}"
    verdicts: dict[str, list[str]] = {}
    for name, rival in report.get("rivals", {}).items():
        verdicts.setdefault(_comparison(energy, rival), []).append(f"{TITLES[name]} ({rival:.3f})")
    words = [f"{verdict} {' and '.join(rivals)}" for verdict, rivals in verdicts.items()]
    return f"{text}; {', '.join(words)}" if words else text


def _comparison(energy: float, rival: float) -> str:
    if abs(energy - rival) <= LEVEL * max(energy, rival):
        return "level with"
    return "better than" if energy < rival else "worse than"

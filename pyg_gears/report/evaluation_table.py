"""The report of an evaluation as text: one row a metric, one column a method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TITLES = {
    "gears": "GEARS",
    "ridge_pca": "ridge",
    "ridge_joint_smoothed": "ridge+graph",
    "knn_regression": "kNN",
    "spectral": "spectral",
    "tsne": "t-SNE",
    "truth": "truth",
}
"""Short names of the methods, for tables and figures."""

ARROWS = {"up": "higher", "down": "lower", "": ""}
LABEL_FREE = ("moran_i", "purity", "purity_chance", "communities")


def format_table(report: Mapping[str, Any]) -> str:
    """Lay a report of :func:`~pyg_gears.report.evaluate` out as a plain-text table.

    The best method of each metric has a star; a closing sentence says in how many metrics ours leads, and by what it is
    beaten in the two headline metrics, if it is.

    Args:
        report: What ``evaluate`` returned.

    Returns:
        Several lines, at most about 100 characters wide.
    """
    references = ", ".join(report["references"]) or "none"
    lines = [f"{report['layout']}: {report['cells']} cells; references: {references}", ""]
    if report["methods"]:
        from pyg_gears.metrics import BETTER

        lines += _rows(report["methods"], BETTER, f"against {report['truth_key']}")
        lines += ["", *_verdict(report["methods"], BETTER), ""]
        rho = report["confidence"]
        lines += [
            f"Confidence against accuracy, Spearman's rho: {rho['local_rho']:+.3f} within neighbourhoods, "
            f"{rho['position_rho']:+.3f} in position.",
            "",
        ]
    lines += _rows(report["label_free"], dict.fromkeys(LABEL_FREE, ""), "without truth")
    lines.append("(Not to be maximised: clusters of expression exceed the tissue's own values.)")
    lines += ["", *report["notes"]]
    return "\n".join(lines).rstrip() + "\n"


def _rows(methods: Mapping[str, Mapping[str, float | int]], better: Mapping[str, str], title: str) -> list[str]:
    names = list(methods)
    lines = [f"{title:<20}{'better':<8}" + "".join(f"{TITLES.get(name, name):>12} " for name in names)]
    for key, direction in better.items():
        values = [methods[name].get(key, math.nan) for name in names]
        if all(math.isnan(value) for value in values):
            continue
        best = _best(dict(zip(names, values, strict=True)), direction)
        cells = (
            f"{_number(value):>12}{'*' if len(names) > 1 and name in best else ' '}"
            for name, value in zip(names, values, strict=True)
        )
        lines.append(f"{key:<20}{ARROWS[direction]:<8}" + "".join(cells))
    return [line.rstrip() for line in lines]


def _verdict(methods: Mapping[str, Mapping[str, float | int]], better: Mapping[str, str]) -> list[str]:
    rivals = [name for name in methods if name != "gears"]
    if not rivals:
        return ["No rival was computed; name reference slides to compare."]
    judged = [key for key, direction in better.items() if direction and not math.isnan(methods["gears"][key])]
    led = sum("gears" in _best({name: methods[name][key] for name in methods}, better[key]) for key in judged)
    lines = [f"GEARS is best in {led} of {len(judged)} metrics."]
    for key in ("spearman", "trust_20"):
        rival = max(rivals, key=lambda name: methods[name][key])
        ours, theirs = methods["gears"][key], methods[rival][key]
        if theirs > ours:
            lines.append(f"In {key} it is beaten by {TITLES.get(rival, rival)}: {ours:.3f} against {theirs:.3f}.")
    return lines


def _best(values: Mapping[str, float | int], direction: str) -> set[str]:
    known = {name: value for name, value in values.items() if not math.isnan(value) and name != "truth"}
    if not direction or not known:
        return set()
    goal = max(known.values()) if direction == "up" else min(known.values())
    return {name for name, value in known.items() if value == goal}


def _number(value: float | int) -> str:
    if math.isnan(value):
        return "--"
    return f"{value:d}" if isinstance(value, int) else f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}"

"""The report of an evaluation as text: one row per metric, one column per method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pandas import DataFrame

Scores: TypeAlias = Mapping[str, Mapping[str, float | int]]

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
LABEL_FREE_NOTE = (
    "moran_i: how smoothly the 50 most variable genes vary over a layout. Not to be maximised: clusters of expression "
    "exceed the tissue's own values."
)
HEADLINE = ("spearman", "trust_20")
HEADLINE_NOTE = (
    "spearman: rank correlation of predicted and true distances, 1 is perfect, 0 is chance; trust_20: 1 where the 20 nearest "
    "neighbours in the layout are near in truth, about 0.5 for random places."
)


def format_table(report: Mapping[str, Any]) -> str:
    """Format a report of :func:`~pyg_gears.report.evaluate` as plain text.

    The best method of each metric has a star. Below the table stands in how many metrics ours is best, and which rival
    is better in the two headline metrics, if one is. The communities of our layout are listed one by one.

    Args:
        report: What ``evaluate`` returned.

    Returns:
        Several lines, at most about 100 characters wide.
    """
    references = ", ".join(report["references"]) or "none"
    parts = [f"{report['layout']}: {report['cells']} cells; references: {references}"]
    if report["methods"]:
        from pyg_gears.metrics import BETTER

        rho = report["confidence"]
        parts += [
            _table(report["methods"], BETTER, f"against {report['truth_key']}") + f"\n({HEADLINE_NOTE})",
            verdict(report["methods"], BETTER),
            f"Confidence against accuracy, Spearman's rho: {rho['local_rho']:+.3f} within neighbourhoods, "
            f"{rho['position_rho']:+.3f} in position.",
        ]
    parts.append(
        _table(report["label_free"], dict.fromkeys(LABEL_FREE, ""), "without truth") + f"\n({LABEL_FREE_NOTE})"
    )
    if report.get("communities"):
        parts.append(_communities(report))
    return "\n\n".join([*parts, "\n".join(report["notes"])]).rstrip() + "\n"


def score_text(methods: Scores, better: Mapping[str, str]) -> tuple[DataFrame, DataFrame]:
    """The scores as text, metrics by titles of methods, and which of them are the best of their metric."""
    import pandas as pd

    # As objects, so that counts stay integers.
    columns = {name: pd.Series(scores, dtype=object) for name, scores in methods.items()}
    scores = pd.DataFrame(columns).reindex(list(better)).dropna(how="all")
    return scores.map(_number).rename(columns=TITLES), _best(scores, better).rename(columns=TITLES)


def _table(methods: Scores, better: Mapping[str, str], title: str) -> str:
    text, best = score_text(methods, better)
    if len(methods) > 1:
        text = text + best.map(lambda best: "*" if best else " ")
    if any(better.values()):
        text.insert(0, "better", [ARROWS[better[key]] for key in text.index])
    return _lines(text.rename_axis(columns=title))


def _best(scores: DataFrame, better: Mapping[str, str]) -> DataFrame:
    """Which methods have the best value of each metric; the truth does not compete, nor do metrics without a direction."""
    rivals = scores.drop(columns="truth", errors="ignore").astype(float)
    goal = rivals.max(axis=1).where([better[key] == "up" for key in scores.index], rivals.min(axis=1))
    goal = goal.where([better[key] != "" for key in scores.index])
    return rivals.eq(goal, axis=0).reindex(columns=scores.columns, fill_value=False)


def verdict(methods: Scores, better: Mapping[str, str]) -> str:
    """In how many metrics ours is best, and which rival is better in a headline metric, one line each."""
    import pandas as pd

    if set(methods) == {"gears"}:
        return "No rival was computed; name reference slides to compare."
    directed = [key for key, direction in better.items() if direction and not math.isnan(methods["gears"][key])]
    scores = pd.DataFrame(methods).loc[directed]
    lines = [f"GEARS is best in {_best(scores, better)['gears'].sum()} of {len(directed)} metrics."]
    for key in HEADLINE:
        ours, rivals = methods["gears"][key], scores.drop(columns="gears").loc[key]
        if rivals.max() > ours:
            rival = TITLES.get(rivals.idxmax(), rivals.idxmax())
            lines.append(f"In {key} {rival} is better: {rivals.max():.3f} against {ours:.3f}.")
    return "\n".join(lines)


def _communities(report: Mapping[str, Any]) -> str:
    import pandas as pd

    frame = pd.DataFrame(report["communities"]["gears"])
    frame["purity"] = frame["purity"].map(_number)
    title = f"communities (k = {report['community_neighbors']}, resolution {report['community_resolution']:g})"
    return _lines(frame.rename(columns={"size": "cells"}).rename_axis(columns=title))


def _lines(frame: DataFrame) -> str:
    return "\n".join(line.rstrip() for line in frame.to_string().splitlines())


def _number(value: float | int) -> str:
    if math.isnan(value):
        return "--"
    return f"{value:d}" if isinstance(value, int) else f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}"

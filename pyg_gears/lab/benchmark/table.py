"""The table of a comparison: as text, as CSV (a row per layout and part) and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pyg_gears.data.whole_file import whole_file
from pyg_gears.lab.benchmark.protocols import ALL, BETWEEN, INSIDE
from pyg_gears.lab.benchmark.scores import DIRECTION, OURS, Row
from pyg_gears.lab.text_table import mean_and_deviation, number
from pyg_gears.metrics import PUBLISHED_BETTER
from pyg_gears.report.report_folder import plain

TITLES = {
    "spearman": "Spearman",
    "pearson": "Pearson",
    "stress_1": "Stress-1",
    "edge_auc": "EdgeAUC",
    "edge_bap": "bAP",
    "shell_f1": "ShellF1",
    "trust_20": "Trust@20",
    "cont_20": "Cont@20",
    "swd": "SWD",
    "w1_knn": "W1(kNN)",
    "published_edge_auc": "EdgeAUC R50",
    "published_edge_bap": "bAP R50",
    "published_shell_f1": "ShellF1 deciles",
    "published_swd": "SWD W1",
    "published_w1_knn": "W1 native unit",
    "scale_error": "ScaleErr (ours)",
}
APART = ("spearman", "trust_20", "recall_15")
NOTES = (
    "*: the best of its column. Means over the seeds. Lower is better: Stress-1, SWD, W1, ScaleErr.",
    "The first table has this package's definitions, the second those of the published code where they differ; Spearman,",
    "Pearson, Stress-1, Trust@20 and Cont@20 are the same. W1 in the section's own unit cannot be compared between data sets.",
)


def write_results(rows: Sequence[Row], folder: Path, head: Mapping[str, Any]) -> str:
    """Write ``table.txt``, ``scores.csv`` and ``results.json``, each whole or not at all.

    Args:
        rows: All scores.
        folder: Where the files go.
        head: What was compared: ``version``, ``sections``, ``pooling``, ``seeds``, ``cpu_seconds`` and ``protocols``.

    Returns:
        The text of ``table.txt``.
    """
    frame = pd.DataFrame([row.flat() for row in rows])
    text = format_results(rows, head)
    results = {**head, "rows": [row._asdict() for row in rows]}
    for name, content in (
        ("table.txt", text),
        ("scores.csv", frame.to_csv(index=False)),
        ("results.json", json.dumps(plain(results), indent=1, allow_nan=False) + "\n"),
    ):
        with whole_file(folder / name) as part:
            part.write_text(content, encoding="utf-8", newline="")
    return text


def format_results(rows: Sequence[Row], head: Mapping[str, Any]) -> str:
    """The comparison as text, protocol by protocol: the published table's columns by both definitions, then the parts."""
    frame = pd.DataFrame([row.flat() for row in rows])
    seeds = ", ".join(map(str, head["seeds"]))
    blocks = [f"pyg-gears {head['version']}; sections {', '.join(head['sections'])}; seeds {seeds}{_pooling(head)}"]
    for protocol, about in head["protocols"].items():
        own = frame[frame["protocol"] == protocol]
        spots = ", ".join(f"{name} ({count} spots)" for name, count in about["spots"].items())
        wrapped = textwrap.fill(about["note"], 110)
        blocks.append(f"{protocol}: learned from {spots}; {about['cells'][ALL]} cells placed\n{wrapped}")
        whole = own[own["part"] == ALL]
        blocks += [_columns(whole, OURS), _columns(whole, tuple(PUBLISHED_BETTER))]
        if INSIDE in about["cells"]:
            blocks.append(_parts(own, about["cells"]))
    times = ", ".join(f"{name} {value:.0f} s" for name, value in head["cpu_seconds"].items())
    blocks.append("\n".join([*NOTES, f"Processor time with scoring, mean over runs: {times}."] if times else NOTES))
    return "\n\n".join(blocks) + "\n"


def _columns(rows: pd.DataFrame, keys: Sequence[str]) -> str:
    means = rows.groupby("method", sort=False)[list(keys)].mean()
    text = means.map(number)
    for key in keys:
        best = means[key].max() if DIRECTION[key] == "up" else means[key].min()
        text[key] += np.where((means[key] == best) & (len(means) > 1), "*", " ")
    text = text.rename(columns=TITLES)
    text.insert(0, "cells", rows.groupby("method", sort=False)["cells"].mean().round().astype(int))
    return _lines(text)


def _parts(rows: pd.DataFrame, cells: Mapping[str, int]) -> str:
    columns = {}
    for key in APART:
        for part in (INSIDE, BETWEEN):
            grouped = rows[rows["part"] == part].groupby("method", sort=False)[key]
            title = f"{TITLES.get(key, 'recall@15')} {part}"
            columns[title] = grouped.agg(lambda values: mean_and_deviation(list(values)))
    title = (
        f"Scored apart: {cells[INSIDE]} cells inside the spots, {cells[BETWEEN]} between. Trust and recall depend on their\n"
        "number: compare methods within a column."
    )
    return f"{title}\n{_lines(pd.DataFrame(columns).reindex(rows['method'].unique()))}"


def _pooling(head: Mapping[str, Any]) -> str:
    pooling = head["pooling"]
    if pooling is None:
        return "; sections as they are"
    columns, height = np.broadcast_to(pooling["grid"], 2)
    return (
        f"; grid {columns} x {height}, central {pooling['core']:.0%} of a bin, at least {pooling['min_cells']} cells, shift "
        f"{pooling['shift']:g}"
    )


def _lines(table: pd.DataFrame) -> str:
    table = table.rename_axis(index=None, columns=None)
    return "\n".join(line.rstrip() for line in table.to_string(na_rep="--").splitlines())

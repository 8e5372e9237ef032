"""The table of a grid: for people (``table.txt``), for spreadsheets (``table.csv``), and every run (``runs.csv``)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyg_gears.data.whole_file import whole_file
from pyg_gears.lab.experiments.experiment import Experiment
from pyg_gears.lab.experiments.run_record import RunRecord
from pyg_gears.lab.experiments.summary import Difference, VariantSummary, summarise

MAIN = {
    "h_gate": "H-gate",
    "t_edge": "T-edge",
    "precision": "precision@30",
    "recall": "recall@30",
    "gate_kl": "gate KL",
    "healthy": "healthy",
}
NOTES = (
    "H-gate: E_geo on the gated candidates; T-edge: on the true graph without gate; lower is better. Mean and standard",
    "deviation over folds and seeds; 'seeds' is the deviation over seeds within folds. healthy: minisets without collapse.",
    "Seeds are those of the structure model; encoder and minisets of a fold are the same for all of them.",
    "The held-out slide of a fold stops the training of its models: these numbers compare variants, they are no final test.",
)


def write_tables(experiment: Experiment, records: Sequence[RunRecord], folder: Path) -> str:
    """Write ``table.txt``, ``table.csv`` and ``runs.csv``, each whole or not at all.

    Args:
        experiment: The experiment.
        records: Its finished runs so far.
        folder: Where the files go.

    Returns:
        The text of ``table.txt``.
    """
    rows = summarise(experiment, records)
    text = format_table(experiment, records)
    runs = [
        {"variant": r.variant, "fold": r.fold, "seed": r.seed, "failed": r.failed or "", **r.numbers()} for r in records
    ]
    for name, content in (
        ("table.txt", text),
        ("table.csv", _csv([_flat(row) for row in rows if row.runs])),
        ("runs.csv", _csv(runs)),
    ):
        with whole_file(folder / name) as part:
            part.write_text(content, encoding="utf-8", newline="")
    return text


def format_table(experiment: Experiment, records: Sequence[RunRecord]) -> str:
    """Lay the runs of a grid out as text: all folds, differences to the first variant, single folds, evaluations."""
    rows = summarise(experiment, records)
    total = [row for row in rows if row.fold is None]
    folds = list(dict.fromkeys(record.fold for record in records))
    seeds = sorted({record.seed for record in records})
    width = max(len(variant.label) for variant in experiment.variants) + 2
    lines = [
        f"{experiment.name}: {experiment.question}",
        f"{len(records)} runs; held out: {', '.join(folds)}; seeds {', '.join(map(str, seeds))}",
        "",
        f"{'variant':<{width}}{'runs':>5}{'best epoch':>12}"
        + "".join(f"{name:>15}" + (f"{'seeds':>8}" if key == "h_gate" else "") for key, name in MAIN.items()),
    ]
    for row in total:
        lines.append(
            f"{row.variant:<{width}}{row.runs:>5}{_number(row.mean.get('best_epoch'), 1):>12}"
            + "".join(
                f"{_spread(row, key):>15}" + (f"{_number(row.seed_std.get(key)):>8}" if key == "h_gate" else "")
                for key in MAIN
            )
            + (f"   {row.failed} diverged" if row.failed else "")
        )
    if len(total) > 1:
        lines += ["", f"Against '{total[0].variant}', same fold and seed: difference +- standard error (wins of pairs)"]
        lines.append(f"{'variant':<{width}}" + "".join(f"{MAIN[key]:>26}" for key in total[0].difference))
        for row in total[1:]:
            lines.append(f"{row.variant:<{width}}" + "".join(f"{_gap(gap):>26}" for gap in row.difference.values()))
    if len(folds) > 1:
        cell = max(16, *(len(fold) + 2 for fold in folds))
        lines += ["", "Fold by fold: H-gate | T-edge", f"{'variant':<{width}}" + "".join(f"{f:>{cell}}" for f in folds)]
        for variant in experiment.variants:
            mine = {row.fold: row.mean for row in rows if row.variant == variant.label}
            cells = (f"{_number(mine[f].get('h_gate'))} | {_number(mine[f].get('t_edge'))}" for f in folds)
            lines.append(f"{variant.label:<{width}}" + "".join(f"{c:>{cell}}" for c in cells))
    for evaluation in experiment.measure:
        lines += ["", *_evaluation(evaluation, total)]
    return "\n".join([*lines, "", *NOTES]).rstrip() + "\n"


def _evaluation(evaluation: str, rows: Sequence[VariantSummary]) -> list[str]:
    """One line a number, one column a variant."""
    names = dict.fromkeys(name for row in rows for name in row.mean if name.startswith(f"{evaluation}: "))
    width = max([len(name) - len(evaluation) for name in names] + [20])
    cell = max(16, *(len(row.variant) + 2 for row in rows))
    lines = [f"{evaluation:<{width}}" + "".join(f"{row.variant:>{cell}}" for row in rows)]
    for name in names:
        short = name.removeprefix(f"{evaluation}: ")
        lines.append(f"{short:<{width}}" + "".join(f"{_spread(row, name):>{cell}}" for row in rows))
    return lines


def _flat(row: VariantSummary) -> dict[str, Any]:
    found: dict[str, Any] = {"variant": row.variant, "fold": row.fold or "all", "runs": row.runs, "failed": row.failed}
    for name, gap in row.difference.items():
        found |= {
            f"{name}_difference": gap.mean,
            f"{name}_difference_error": gap.error,
            f"{name}_wins": gap.wins,
            f"{name}_pairs": gap.pairs,
        }
    for name, mean in row.mean.items():
        found |= {f"{name}_mean": mean, f"{name}_std": row.std[name], f"{name}_seed_std": row.seed_std[name]}
    return found


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: "" if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()})
    return text.getvalue()


def _spread(row: VariantSummary, name: str) -> str:
    if name not in row.mean:
        return "--"
    std = row.std[name]
    return _number(row.mean[name]) + ("" if math.isnan(std) else f" +- {_number(std)}")


def _gap(gap: Difference) -> str:
    if gap.pairs == 0:
        return "--"
    error = "" if math.isnan(gap.error) else f" +- {_number(gap.error)}"
    return f"{round(gap.mean, 3) + 0.0:+.3f}{error} ({gap.wins} of {gap.pairs})"


def _number(value: float | None, digits: int = 3) -> str:
    return "--" if value is None or math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"

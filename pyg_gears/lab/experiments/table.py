"""The results of a grid as text (``table.txt``), as numbers (``results.json``, ``table.csv``) and run by run (``runs.csv``)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pyg_gears.data.whole_file import whole_file
from pyg_gears.lab.experiments.criterion import Verdict, seed_deviation
from pyg_gears.lab.experiments.experiment import Experiment
from pyg_gears.lab.experiments.run_record import KEYS, RunRecord, run_table
from pyg_gears.report.report_folder import plain

MAIN = {
    "h_gate": "H-gate",
    "t_edge": "T-edge",
    "precision": "precision@30",
    "recall": "recall@30",
    "gate_kl": "gate KL",
    "healthy": "healthy",
}
HIGHER_IS_BETTER = {"h_gate": False, "t_edge": False, "precision": True}
"""The numbers that variants are compared by, run by run."""
NOTES = (
    "H-gate: E_geo on the gated candidates; T-edge: on the true graph without gate; lower is better. E_geo is the random-walk KL",
    "plus 0.1 times the log stress whatever the weights of the training. Mean and standard deviation over folds and seeds;",
    "'seeds' is the deviation over seeds within folds. healthy: share of minisets without collapse.",
    "Seeds are those of the structure model; encoder and minisets of a fold are the same for all of them.",
    "inductive: the encoder has not seen the held-out slide; transductive: it was fitted with its expression, without positions.",
    "The held-out slide stops the training of its models: these numbers compare variants and are no final test.",
)
ROW = ["variant", "protocol"]


def judge(experiment: Experiment, records: Sequence[RunRecord]) -> list[Verdict]:
    """The verdict of the runs on every criterion, protocol by protocol."""
    runs = run_table(records)
    fixed = runs["variant"].isin([variant.label for variant in experiment.variants if variant.protocol is not None])
    found = []
    for protocol in runs["protocol"][~fixed].unique() if not fixed.all() else ["both"]:
        mine = runs[fixed | (runs["protocol"] == protocol)]
        found += [criterion.judge(mine, protocol) for criterion in experiment.criteria]
    return found


def summarise(experiment: Experiment, records: Sequence[RunRecord]) -> pd.DataFrame:
    """Means and deviations of every variant, over all folds and on each.

    Returns:
        A row per variant, protocol and fold ("all" first); columns ``runs``, ``diverged``, ``NAME``, ``NAME std`` (over folds and
        seeds) and ``NAME seed std`` (within folds) of every number; and for H-gate, T-edge and precision against the first
        variant, over the runs that share protocol, fold and seed: ``NAME difference``, its standard error ``NAME error``,
        ``NAME wins`` and ``NAME pairs``. Runs of a fold share minisets: the error does not describe other tissue.
    """
    runs = run_table(records)
    names = [name for name in runs if name not in KEYS and name != "diverged"]
    rows = []
    for fold in ("all", *runs["fold"].unique()):
        inside = runs if fold == "all" else runs[runs["fold"] == fold]
        for variant in experiment.variants:
            for protocol, own in inside[inside["variant"] == variant.label].groupby("protocol", sort=False):
                row = {"variant": variant.label, "protocol": protocol, "fold": fold, "runs": len(own)}
                row["diverged"] = int(own["diverged"].sum())
                own = own.set_index(["fold", "seed"])
                for name in names:
                    row |= {name: own[name].mean(), f"{name} std": own[name].std()}
                    row[f"{name} seed std"] = seed_deviation(own[name])
                rows.append(row | _against_first(experiment, inside, own, protocol))
    return pd.DataFrame(rows)


def _against_first(experiment: Experiment, runs: pd.DataFrame, own: pd.DataFrame, protocol: object) -> dict[str, float]:
    first = runs[runs["variant"] == experiment.variants[0].label]
    if experiment.variants[0].protocol is None:
        first = first[first["protocol"] == protocol]
    first = first.set_index(["fold", "seed"])
    found: dict[str, float] = {}
    for name, higher in HIGHER_IS_BETTER.items():
        gap = (own[name] - first[name]).dropna() if name in runs else pd.Series(dtype=float)
        found |= {
            f"{name} difference": gap.mean(),
            f"{name} error": gap.std() / math.sqrt(max(len(gap), 1)),
            f"{name} wins": int((gap > 0 if higher else gap < 0).sum()),
            f"{name} pairs": len(gap),
        }
    return found


def format_table(experiment: Experiment, records: Sequence[RunRecord]) -> str:
    """The results as text: verdicts, means, differences to the first variant, folds, evaluations, published figures."""
    runs, rows = run_table(records), summarise(experiment, records)
    total, folds = rows[rows["fold"] == "all"].set_index(ROW), list(runs["fold"].unique())
    seeds = ", ".join(map(str, sorted(runs["seed"].unique())))
    blocks = [
        [
            f"{experiment.name}: {experiment.question}",
            f"{len(runs)} runs; {' and '.join(runs['protocol'].unique())}; held out: {', '.join(folds)}; seeds {seeds}",
        ]
    ]
    verdicts = judge(experiment, records)
    if verdicts:
        blocks.append(["Criteria", *(line for verdict in verdicts for line in verdict.lines())])
    main = pd.DataFrame({"runs": total["runs"], "diverged": total["diverged"]}, index=total.index)
    main["best epoch"] = total.get("best_epoch", pd.Series(index=total.index, dtype=float)).map(lambda v: _number(v, 1))
    for name, title in MAIN.items():
        main[title] = _spread(total, name)
        if name == "h_gate":
            main["seeds"] = total.get(f"{name} seed std", pd.Series(index=total.index, dtype=float)).map(_number)
    blocks.append([_text(main)])
    if len(total) > 1:
        against = pd.DataFrame({MAIN[name]: total.apply(_gap, axis=1, name=name) for name in HIGHER_IS_BETTER})
        title = (
            f"Minus '{experiment.variants[0].label}', same fold and seed: difference +- standard error (wins of pairs)"
        )
        blocks.append([title, _text(against[total.index.get_level_values(0) != experiment.variants[0].label])])
    if len(folds) > 1:
        by_fold = rows[rows["fold"] != "all"].copy()
        by_fold["both"] = [f"{_number(r.get('h_gate'))} | {_number(r.get('t_edge'))}" for _, r in by_fold.iterrows()]
        wide = by_fold.pivot(index=ROW, columns="fold", values="both").reindex(index=total.index, columns=folds)
        blocks.append(["Fold by fold: H-gate | T-edge", _text(wide.fillna("--"))])
    for evaluation in experiment.measure:
        names = [name for name in runs if name.startswith(f"{evaluation}: ")]
        if names:
            wide = pd.DataFrame({name.removeprefix(f"{evaluation}: "): _spread(total, name) for name in names}).T
            wide.columns = [f"{variant} ({protocol[:2]})" for variant, protocol in total.index]
            blocks.append([f"{evaluation} (in: inductive, tr: transductive)", _text(wide)])
    if experiment.published is not None:
        published = pd.DataFrame(
            [
                (one.variant, one.metric, one.value, "" if one.std is None else _number(one.std))
                for one in experiment.published.figures
            ],
            columns=["variant", "metric", "mean", "std"],
        )
        blocks.append([f"Published figures ({experiment.published.source})", published.to_string(index=False)])
    return "\n\n".join("\n".join(block) for block in (*blocks, NOTES)) + "\n"


def write_results(experiment: Experiment, records: Sequence[RunRecord], folder: Path) -> str:
    """Write ``table.txt``, ``table.csv``, ``runs.csv`` and ``results.json``, each whole or not at all.

    Args:
        experiment: The experiment.
        records: Its finished runs so far, at least one.
        folder: Where the files go.

    Returns:
        The text of ``table.txt``.
    """
    rows, text = summarise(experiment, records), format_table(experiment, records)
    results = {
        "experiment": experiment.as_dict(),
        "verdicts": [verdict.as_dict() for verdict in judge(experiment, records)],
        "variants": rows.to_dict(orient="records"),
    }
    for name, content in (
        ("table.txt", text),
        ("table.csv", rows.to_csv(index=False)),
        ("runs.csv", run_table(records).to_csv(index=False)),
        ("results.json", json.dumps(plain(results), indent=1, allow_nan=False) + "\n"),
    ):
        with whole_file(folder / name) as part:
            part.write_text(content, encoding="utf-8", newline="")
    return text


def _text(table: pd.DataFrame) -> str:
    with pd.option_context("display.multi_sparse", False):
        return str(table.rename_axis(columns=None).to_string(max_colwidth=None))


def _spread(rows: pd.DataFrame, name: str) -> pd.Series:
    """Mean +- standard deviation of one number, row by row."""
    if name not in rows:
        return pd.Series("--", index=rows.index)
    pairs = zip(rows[name], rows[f"{name} std"], strict=True)
    return pd.Series(
        [_number(mean) + ("" if math.isnan(std) else f" +- {_number(std)}") for mean, std in pairs], index=rows.index
    )


def _gap(row: pd.Series, name: str) -> str:
    if row[f"{name} pairs"] == 0:
        return "--"
    error = row[f"{name} error"]
    return (
        f"{round(row[f'{name} difference'], 3) + 0.0:+.3f}"
        + ("" if math.isnan(error) else f" +- {_number(error)}")
        + f" ({row[f'{name} wins']} of {row[f'{name} pairs']})"
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "--" if value is None or math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}"

"""The table of the bench: a row a model, means over its seeds, and how it stands beside the model without a graph."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from pyg_gears.lab.experiments.run_record import RunRecord, run_table
from pyg_gears.lab.models.contenders import BASELINE
from pyg_gears.lab.text_table import text_table

COLUMNS = {
    "h_gate": "E_geo H-gate",
    "t_edge": "E_geo T-edge",
    "query spearman": "Spearman",
    "query trust_20": "Trust@20",
    "query recall_15": "recall@15",
    "query e_geo": "E_geo query",
    "collapsed": "collapsed",
    "diversity": "diversity",
    "sample_energy": "E_geo sample",
    "mean_energy": "E_geo mean",
    "quiet_energy": "E_geo quiet",
    "parameters": "parameters",
    "nodes_seen": "nodes seen",
    "seconds": "seconds",
    "cpu_seconds": "CPU seconds",
    "memory_mb": "memory MB",
}
VERDICT = "beside the MLP"
RANKED = ("Spearman", "Trust@20", "recall@15")
NOTE = """E_geo H-gate, T-edge, collapsed: minisets of the slide that chose the epoch. Spearman, Trust@20, recall@15, E_geo query:
the layout of the section that no model has seen. diversity, E_geo sample, mean, quiet: 12 of the minisets, for models that
sample (mean: of the samples of a miniset, each turned onto the first; quiet: without noise). seconds: training alone.
kind+kind: trained models of one seed that vote together; E_geo H-gate, T-edge, collapsed: of the layout that their mean distances
give; parameters, nodes seen, seconds: of all of them. kind, eigenvectors and kind, landmarks: the layout that merged operators
alone give.
beside the MLP: "better" with a lower E_geo H-gate and a higher Spearman than the coordinate MLP without a graph, "worse" with
neither, else "mixed".
"""


def bench_frame(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Means over seeds, a row a model in the order of the records; columns as named in the table, those unknown as NaN."""
    runs = run_table(records)
    if not len(runs):
        return pd.DataFrame(columns=[*COLUMNS.values(), "seeds", VERDICT])
    numbers = runs.reindex(columns=[*COLUMNS, "diverged"])
    frame = numbers.groupby(runs["variant"], sort=False).mean().rename(columns=COLUMNS)
    frame["seeds"] = runs.groupby("variant", sort=False).size()
    frame[VERDICT] = [_verdict(frame, kind) for kind in frame.index]
    return frame.rename_axis("model")


def bench_table(records: Sequence[RunRecord]) -> str:
    """Two tables, quality and cost, and what their columns are."""
    frame = bench_frame(records)
    quality = [name for key, name in COLUMNS.items() if key in list(COLUMNS)[:7]]
    samples = [COLUMNS[key] for key in ("diversity", "sample_energy", "mean_energy", "quiet_energy")]
    cost = [COLUMNS[key] for key in ("parameters", "nodes_seen", "seconds", "cpu_seconds", "memory_mb")]
    joint = together_frame(frame)
    return "\n".join(
        [
            text_table("Quality", frame[[*quality, "seeds", VERDICT]]),
            *(
                [text_table("Together: above the best of its parts, and of all single models", joint)]
                if len(joint)
                else []
            ),
            text_table("Samples", frame[samples]),
            text_table("Cost", frame[cost]),
            NOTE,
        ]
    )


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of models that were trained and vote alone: not those of combinations or of merged operators."""
    return frame.loc[[kind for kind in frame.index if "+" not in kind and ", " not in kind]]


def together_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """How far each combination is above the best of its parts, and the best of all models that vote alone.

    Args:
        frame: Of :func:`bench_frame`.
    """
    singles = alone(frame)
    rows: dict[str, dict[str, float]] = {}
    for kind in frame.index:
        if "+" in kind:
            parts = singles.loc[singles.index.isin(kind.split("+"))]
            rows[kind] = {
                f"{name}, {word}": float(frame.loc[kind, name] - others[name].max())
                for word, others in (("parts", parts), ("all", singles))
                for name in RANKED
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def _verdict(frame: pd.DataFrame, kind: str) -> str:
    if kind == BASELINE or BASELINE not in frame.index:
        return "--"
    energy, rank = COLUMNS["h_gate"], COLUMNS["query spearman"]
    mine, its = frame.loc[kind], frame.loc[BASELINE]
    if any(math.isnan(row[name]) for row in (mine, its) for name in (energy, rank)):
        return "not measured"
    lower, higher = mine[energy] < its[energy], mine[rank] > its[rank]
    return "better" if lower and higher else "mixed" if lower or higher else "worse"

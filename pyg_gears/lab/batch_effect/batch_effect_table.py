"""The batch-effect report as text: one row an embedding, fitted slides and unseen slides side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BATCH = {
    "probe": "probe",
    "probe_squares": "with squares",
    "within_cluster": "in clusters",
    "entropy": "kNN entropy",
    "ilisi": "iLISI",
    "norm_ratio": "norm ratio",
}
TISSUE = {"overlap": "overlap@20", "recall": "recall@100", "mean_distance": "distance", "moran": "Moran's I"}
GAP = {
    "probe": "probe",
    "probe_squares": "with squares",
    "mmd": "MMD",
    "coral": "CORAL",
    "entropy": "kNN entropy",
    "ilisi": "iLISI",
}
NAME, CELL = 20, 16


def batch_effect_table(report: Mapping[str, Any]) -> str:
    """Lay out the report of :func:`~pyg_gears.lab.batch_effect.batch_effect_report.batch_effect`.

    Args:
        report: The report; None stands for what is not defined.

    Returns:
        Several lines, at most about 120 characters wide.
    """
    slides = ", ".join(f"{slide['name']} ({slide['spots']} spots)" for slide in report["slides"])
    test, probe = report["kruskal_wallis"], report["qc_probe"]
    top = ", ".join(gene["gene"] for gene in test["top"][:5])
    lines = [
        f"{slides}; {report['genes']} shared genes",
        "",
        "Slide probe (logistic regression, 5 folds, balanced accuracy); chance "
        f"{report['chance']:.3f}; a linear probe of",
        "centred slides is blind and at or below chance, one that also gets the squares of the channels is not.",
        f"From total counts and other quality control alone: {_number(probe['accuracy'])}.",
        f"Kruskal-Wallis: {test['significant']} of {test['genes']} genes differ between slides at a false discovery rate of "
        f"{test['fdr']:g};",
        f"slides explain {test['median_effect']:.1%} of the rank variance of the median gene. Largest: {top}.",
        "",
        "Each number: encoder fitted on all slides | mean over slides that its fit has not seen "
        f"({_folds(report['folds'])}).",
        "",
        *_block("Slides apart (better: lower, lower, lower, higher, higher, near 1)", report["rows"], BATCH),
        "",
        *_block(
            "Tissue kept (better: higher, higher, lower; Moran's I is not to be maximised)", report["rows"], TISSUE
        ),
        "",
        _header("Slide probe without the genes that differ most", ("raw PCA-50",), NAME + 28),
        *(
            _line(f"{row['removed']} removed", [(row["fitted"], row["held_out"])], NAME + 28)
            for row in report["removal"]
        ),
        "",
        _header("Moran's I, genes", tuple(report["gene_moran"]["fitted"])),
        _line(
            "mean of 50", [(report["gene_moran"]["fitted"][k], v) for k, v in report["gene_moran"]["held_out"].items()]
        ),
        "",
        *_angles(report["principal_angles"]),
        "",
    ]
    if report["cell_gaps"]:
        lines += _gaps(report["cells"]["name"], report["cell_gaps"])
    return "\n".join([*lines, *report["notes"]]).rstrip() + "\n"


def _block(title: str, rows: Mapping[str, Any], keys: Mapping[str, str]) -> list[str]:
    lines = [title, _header("embedding", tuple(keys.values()))]
    for name, row in rows.items():
        fitted, held_out = (row["summary"][kind] or {} for kind in ("fitted", "held_out"))
        lines.append(_line(name, [(fitted.get(key), held_out.get(key)) for key in keys]))
    return lines


def _gaps(cells: str, gaps: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{cells} against spots; training spots | unseen slides. The adapter was fitted on the other half of the cells.",
        "Floor: half of the training spots against the other half.",
        _header("embedding", tuple(GAP.values()), NAME + 8),
    ]
    for name, gap in gaps.items():
        for when in ("before", "after"):
            held_out = (gap["held_out"] or {}).get(when, {})
            pairs = [(gap["fitted"][when][key], held_out.get(key)) for key in GAP]
            lines.append(_line(f"{name}, {when}", pairs, NAME + 8))
        lines.append(_line(f"{name}, floor", [(gap["floor"][key], None) for key in GAP], NAME + 8))
    return [*lines, ""]


def _angles(angles: Mapping[str, Any]) -> list[str]:
    halves = angles["halves"]
    count = len(halves)
    own = sum(halves[i][i] for i in range(count)) / count
    others = sum(halves[i][j] for i in range(count) for j in range(i)) / (count * (count - 1) / 2)
    return [
        f"Principal angles of the leading {angles['components']} components, mean over halves of slides: {others:.1f} degrees "
        f"between slides,",
        f"{own:.1f} between two halves of one slide.",
    ]


def _header(title: str, columns: Sequence[str], width: int = NAME) -> str:
    return (f"{title:<{max(width, len(title))}}" + "".join(f"{column:>{CELL}}" for column in columns)).rstrip()


def _line(name: str, pairs: Sequence[tuple[float | None, float | None]], width: int = NAME) -> str:
    cells = (f"{_number(fitted)} | {_number(held_out)}" for fitted, held_out in pairs)
    return f"{name:<{width}}" + "".join(f"{cell:>{CELL}}" for cell in cells)


def _number(value: float | None) -> str:
    if value is None:
        return "--"
    return f"{value:.3f}" if abs(value) >= 0.01 else f"{round(value, 4) + 0.0:.4f}"


def _folds(folds: Sequence[Sequence[str]]) -> str:
    return "each left out in turn" if len(folds) > 1 else f"{', '.join(folds[0])} left out"

"""The diagnosis as text: a column a slide, mean and standard deviation over the members."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyg_gears.lab.probes.readiness import ReadinessCheck, readiness_table

ENERGIES = {
    "oracle": "true graph, no gate (T-edge)",
    "oracle_in_candidates": "true edges among the candidates, no gate",
    "oracle_gate": "candidates, true gate",
    "oracle_gate_own_beta": "candidates, true gate at the model's beta",
    "learned_gate": "candidates, learned gate (H-gate)",
    "no_gate": "candidates, no gate",
    "initial": "initial coordinates, no attention",
}
COSTS = {
    "missing_edges": "missing edges",
    "soft_weights": "soft weights in place of edges",
    "gating": "gating",
    "gap": "gap: the three together",
    "gating_share": "share of gating in the gap",
    "gate_gain": "gain by the gate",
    "attention_gain": "gain by attention",
}
GATE = {
    "precision": "precision@{k}",
    "recall": "recall@{k}",
    "candidate_recall": "true neighbours that are candidates",
    "average_precision": "average precision",
    "kl": "KL from the truth, nats",
    "entropy": "entropy, nats",
    "spearman": "Spearman with the true transitions",
    "pearson": "correlation with the true transitions",
    "self_mass": "mass of the self-loop",
    "calibration_error": "calibration error",
}
PILLS = {
    "shuffled": "H shuffled in the miniset",
    "other_miniset": "H of another miniset",
    "random": "random H",
    "random_graph": "random graph of equal degrees",
}
COLLAPSE = {
    "eigenvalue_ratio": "second axis wide enough",
    "nn_p5": "no nearest neighbour too near",
    "median_distance": "distances wide enough",
}
FAMILIES = {"neighbors": "kNN", "ring": "ring", "landmarks": "landmarks", "all": "all pairs"}
RECOVERY = {"overlap": "overlap@20", "recall": "recall@100", "jaccard": "Jaccard"}
NAME, CELL = 44, 18


def diagnosis_table(report: Mapping[str, Any]) -> str:
    """Lay out the report of :func:`~pyg_gears.lab.probes.diagnosis.diagnose`.

    Args:
        report: The report; None stands for what is not defined.

    Returns:
        Several lines.
    """
    slides = report["slides"]
    k = slides[0]["members"][0]["gate"]["k"]

    def rows(title: str, names: Mapping[str, str], read: Callable[[Any, str], Any]) -> list[str]:
        """A line a name: of every slide what ``read`` finds in its members."""
        lines = [_line(title, [slide["name"] for slide in slides])]
        for key, name in names.items():
            found = [[read(member, key) for member in slide["members"]] for slide in slides]
            lines.append(_line(f"  {name}", [_mean(values) for values in found]))
        return [*lines, ""]

    betas = {key: f"beta {float(key):g}" for key in slides[0]["members"][0]["energy_by_beta"]}
    ks = {key: f"k = {key}" for key in slides[0]["members"][0]["robustness"]["energy"]}
    last = slides[0]["members"][0]["alignment"]["spearman"]["all"]
    several = report["members"] > 1
    lines = [
        f"{report['members']} {'members' if several else 'member'}, {report['minisets']} minisets of each slide, "
        f"seed {report['seed']}" + ("; mean +- standard deviation over members" if several else ""),
        *(
            f"{slide['name']}: {slide['spots']} spots, {slide['status']}; minisets of {_sizes(slide)}"
            for slide in slides
        ),
        "",
        *_readiness(slides),
        *rows("E_geo (lower is better) on", ENERGIES, lambda member, key: member["gap"]["energy"][key]),
        *rows("Cost in E_geo of", COSTS, lambda member, key: member["gap"]["cost"][key]),
        *rows(
            f"E_geo by weight of the gate (trained at {report['beta']:g})",
            betas,
            lambda member, key: member["energy_by_beta"][key],
        ),
        *rows("Gate", {key: name.format(k=k) for key, name in GATE.items()}, lambda member, key: member["gate"][key]),
        *(line for slide in slides for line in _attention(slide)),
        *rows(
            f"Spearman of attention with |dL/dd|, recycle {len(last)}",
            FAMILIES,
            lambda member, key: _average(member["alignment"]["spearman"][key][-1]),
        ),
        *rows("E_geo / E_geo of the true input", PILLS, lambda member, key: member["pills"]["factor"][key]),
        *rows(
            "Share of minisets without collapse",
            {"rate": "all three", **COLLAPSE},
            lambda member, key: (
                member["collapse"]["rate" if key == "rate" else "passing"]
                if key == "rate"
                else member["collapse"]["passing"][key]
            ),
        ),
        *rows("E_geo by number of candidates", ks, lambda member, key: member["robustness"]["energy"][key]),
        *_recovery(slides),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _readiness(slides: Sequence[Mapping[str, Any]]) -> list[str]:
    """Pass or fail with the figure, a block a slide."""
    lines = []
    for slide in slides:
        checks = [ReadinessCheck(**check) for check in slide["readiness"]]
        table = readiness_table(checks).splitlines()
        lines += [f"Readiness on {slide['name']} ({slide['status']})", *(f"  {line}" for line in table), ""]
    return lines


def _attention(slide: Mapping[str, Any]) -> list[str]:
    """A line a recycle, heads and members averaged; recall's ceiling is the share of true neighbours that are candidates."""
    probes = [member["attention"] for member in slide["members"]]
    terms = [name for name in probes[0]["spearman"] if _flat(probes[0]["spearman"][name])]
    columns = [
        f"recall@{probes[0]['k']}",
        "entropy",
        "std of logits",
        "|dx|/sqrt(n)",
        *(f"rho {name}" for name in terms),
    ]
    widths = (20, 20, 15, 14, *(10 for _ in terms))

    def row(name: str, cells: Sequence[str]) -> str:
        return f"{name:<12}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False))

    lines = [
        f"Attention on {slide['name']}: mean (lowest-highest head); rho: Spearman of attention with a term of its logits",
        row("  recycle", columns),
    ]
    for recycle in range(len(probes[0]["step"])):
        cells = [
            _span([p["recall"][recycle] for p in probes]),
            _span([p["entropy"][recycle] for p in probes]),
            _number(_average([p["logit_std"]["total"][recycle] for p in probes])),
            _number(_average([p["step"][recycle] for p in probes])),
            *(_number(_average([p["spearman"][name][recycle] for p in probes])) for name in terms),
        ]
        lines.append(row(f"  {recycle + 1}", cells))
    return [*lines, row("  ceiling", [_number(_average([p["candidate_recall"] for p in probes]))]), ""]


def _recovery(slides: Sequence[Mapping[str, Any]]) -> list[str]:
    """How much of the tissue's graph the embedding keeps, a line a way of searching."""
    lines = []
    for slide in slides:
        found = slide["recovery"]
        steps = list(next(iter(found.values()))["diffusion"])
        columns = [*RECOVERY.values(), *(f"{step} step{'s' * (step != '1')}" for step in steps)]
        lines.append(_line(f"Neighbours in the embedding, {slide['name']}", columns, 12))
        for name, record in found.items():
            values = [*(record[key] for key in RECOVERY), *(record["diffusion"][step] for step in steps)]
            lines.append(_line(f"  {name}", [_number(value) for value in values], 12))
        lines.append("")
    return lines


def _sizes(slide: Mapping[str, Any]) -> str:
    sizes = slide["sizes"]
    return f"{min(sizes)}-{max(sizes)} spots" if min(sizes) < max(sizes) else f"{sizes[0]} spots"


def _line(name: str, cells: Sequence[str], width: int = CELL) -> str:
    return f"{name:<{NAME}}" + "".join(f"{cell:>{width}}" for cell in cells)


def _number(value: float | None) -> str:
    if value is None:
        return "--"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.3g}"


def _mean(values: Sequence[float | None]) -> str:
    """Mean over members, and their standard deviation where there are several."""
    known = [value for value in values if value is not None]
    if not known:
        return "--"
    mean = math.fsum(known) / len(known)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known))
    return f"{_number(mean)} +- {spread:.3f}" if len(known) > 1 else _number(mean)


def _flat(values: Any) -> list[float]:
    if isinstance(values, list):
        return [number for value in values for number in _flat(value)]
    return [] if values is None else [values]


def _average(values: Any) -> float | None:
    known = _flat(values)
    return math.fsum(known) / len(known) if known else None


def _span(values: Any) -> str:
    """Mean, lowest and highest head."""
    known = _flat(values)
    if not known:
        return "--"
    return f"{_number(_average(known))} ({min(known):.2f}-{max(known):.2f})"

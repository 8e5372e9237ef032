"""Is a model ready for larger data? Every requirement with its figure, passed, failed or not measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pyg_gears.lab.probes.attention_probe import AttentionProbeOutput
from pyg_gears.lab.probes.candidate_robustness import CandidateRobustness
from pyg_gears.lab.probes.collapse_rate import CollapseRate
from pyg_gears.lab.probes.gap_decomposition import GapDecomposition
from pyg_gears.lab.probes.poison_pills import PoisonPills

SEEDS, FOLDS, CANDIDATES = 5, 3, (80, 100, 120)
PILL_NAMES = {
    "shuffled": "embedding shuffled",
    "other_miniset": "embedding of another miniset",
    "random": "random embedding",
    "random_graph": "random candidates",
}


class ReadinessCheck(NamedTuple):
    """One requirement.

    Attributes:
        name: What is asked.
        value: The figure; None where it was not measured.
        threshold: The limit, in words.
        passed: Whether the figure keeps the limit (one that is not a number does not); None where not measured.
        note: What else to know.
    """

    name: str
    value: float | None
    threshold: str
    passed: bool | None
    note: str = ""


def readiness(
    *,
    gap: GapDecomposition | None = None,
    attention: AttentionProbeOutput | None = None,
    collapse: CollapseRate | None = None,
    robustness: CandidateRobustness | None = None,
    pills: PoisonPills | None = None,
    seeds: Sequence[float] | None = None,
    folds: Sequence[float] | None = None,
) -> tuple[ReadinessCheck, ...]:
    """Judge what the probes measured on held-out minisets.

    Args:
        gap: Energies on the candidates and on the true graph.
        attention: Attention probe; asked for 30 neighbours.
        collapse: Shapes of the layouts.
        robustness: Energies by number of candidates.
        pills: Energies with poisoned inputs.
        seeds: E_geo with the learned gate of each seed; their standard deviation is that of the sample. Five are asked for,
            two are enough for a figure.
        folds: E_geo with the learned gate of each fold of held-out slides. Three are asked for, two are enough.

    Returns:
        All checks in a fixed order; what was not passed in is "not measured".
    """
    energy = None if gap is None else gap.energy["learned_gate"]
    cost = None if gap is None else gap.cost["gap"]
    return (
        _at_most("E_geo on gated candidates", energy, 0.35),
        _at_most("gap to the true graph", cost, 0.19, note="0.10 is the aim"),
        _spread("std over seeds", seeds, 0.02, SEEDS, "seeds", lambda found: float(np.std(found, ddof=1))),
        _collapse(collapse),
        _robustness(robustness),
        _spread("range over folds", folds, 0.05, FOLDS, "folds", lambda found: float(np.ptp(found))),
        _recall(attention),
        *_pills(pills),
    )


def readiness_table(checks: Sequence[ReadinessCheck]) -> str:
    """One line a check: verdict, name, figure, limit, note."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        verdict = "--" if check.passed is None else "pass" if check.passed else "FAIL"
        value = "not measured" if check.value is None else f"{check.value:.3f}"
        note = f"  ({check.note})" if check.note else ""
        lines.append(f"{verdict:<5} {check.name:<{width}} {value:>12}  {check.threshold}{note}")
    return "\n".join(lines) + "\n"


def _at_most(name: str, value: float | None, limit: float, note: str = "") -> ReadinessCheck:
    # A comparison with NaN is false: what diverged has not passed.
    return ReadinessCheck(name, value, f"<= {limit:.2f}", None if value is None else value <= limit, note)


def _at_least(name: str, value: float | None, limit: float, note: str = "") -> ReadinessCheck:
    return ReadinessCheck(name, value, f">= {limit:.2f}", None if value is None else value >= limit, note)


def _spread(
    name: str,
    found: Sequence[float] | None,
    limit: float,
    asked: int,
    unit: str,
    measure: Callable[[Sequence[float]], float],
) -> ReadinessCheck:
    count = 0 if found is None else len(found)
    note = "" if count >= asked else f"{count} of {asked} {unit}"
    if found is None or count < 2:
        return _at_most(name, None, limit, note)
    if not all(math.isfinite(value) for value in found):
        return _at_most(name, float("nan"), limit, f"{note + '; ' if note else ''}not all finite")
    return _at_most(name, measure(found), limit, note)


def _collapse(collapse: CollapseRate | None) -> ReadinessCheck:
    name = "share without collapse"
    if collapse is None:
        return _at_least(name, None, 0.99)
    parts = [f"{measure} {share:.3f}" for measure, share in collapse.passing.items()]
    if math.isfinite(collapse.true_rate):
        parts.append(f"true coordinates {collapse.true_rate:.3f}")
    return _at_least(name, collapse.rate, 0.99, ", ".join(parts))


def _robustness(robustness: CandidateRobustness | None) -> ReadinessCheck:
    name = f"range over k of {', '.join(map(str, CANDIDATES))}"
    if robustness is None:
        return _at_most(name, None, 0.03)
    parts = ", ".join(f"k={k} {energy:.3f}" for k, energy in robustness.energy.items())
    complete = set(CANDIDATES) <= set(robustness.energy)
    return _at_most(name, robustness.range if complete else None, 0.03, parts)


def _recall(attention: AttentionProbeOutput | None) -> ReadinessCheck:
    name = "lowest Recall@30 of a recycle"
    if attention is None or attention.k != 30:
        return _at_least(name, None, 0.40)
    note = f"lowest head {attention.recall.min():.3f}, candidates {attention.candidate_recall:.3f}"
    return _at_least(name, float(attention.recall.mean(axis=1).min()), 0.40, note)


def _pills(pills: PoisonPills | None) -> list[ReadinessCheck]:
    checks = []
    for pill, name in PILL_NAMES.items():
        factor = None if pills is None else pills.factor[pill]
        if pill == "other_miniset" and pills is not None and pills.minisets == 1:
            factor = None
        note = "" if pills is None or factor is None else f"worse in {pills.share_worse[pill]:.0%} of minisets"
        passed = None if factor is None else factor > 1
        checks.append(ReadinessCheck(f"{name}: times worse", factor, "> 1", passed, note))
    checks.append(_at_least(f"{PILL_NAMES['shuffled']}: times worse", checks[0].value, 6.0))
    return checks

"""Means over the runs of a grid, and differences between runs that share fold and seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyg_gears.lab.experiments.experiment import Experiment
from pyg_gears.lab.experiments.run_record import RunRecord

LOWER_IS_BETTER = {"h_gate": True, "t_edge": True, "precision": False}
"""The numbers that variants are compared by, run by run."""


@dataclass(frozen=True)
class Difference:
    r"""A variant against the first one, over the pairs of runs with the same fold and seed.

    Attributes:
        pairs: Number of pairs m.
        mean: Mean difference, this variant minus the first; NaN without a pair.
        error: Standard error of that mean, :math:`s / \sqrt m`; NaN with fewer than two pairs. Runs of one fold share
            minisets: the error says little about other tissue.
        wins: Pairs in which this variant is better.
    """

    pairs: int
    mean: float
    error: float
    wins: int


@dataclass(frozen=True)
class VariantSummary:
    """The runs of one variant, over all folds or on one.

    Attributes:
        variant: Its label.
        fold: The fold, or None for all.
        runs: Finished runs, failed ones included.
        failed: Runs whose training diverged; they have no numbers.
        mean: Number to mean over folds and seeds.
        std: Number to standard deviation (of the sample) over folds and seeds; NaN for fewer than two values.
        seed_std: Number to standard deviation over seeds alone, the root of the mean variance within folds.
        difference: ``h_gate``, ``t_edge`` and ``precision`` against the first variant.
    """

    variant: str
    fold: str | None
    runs: int
    failed: int
    mean: Mapping[str, float]
    std: Mapping[str, float]
    seed_std: Mapping[str, float]
    difference: Mapping[str, Difference]


def summarise(experiment: Experiment, records: Sequence[RunRecord]) -> list[VariantSummary]:
    """One summary a variant over all folds, then one a variant and fold."""
    folds = list(dict.fromkeys(record.fold for record in records))
    found = []
    for fold in (None, *folds):
        mine = [record for record in records if fold in (None, record.fold)]
        first = _values(mine, experiment.variants[0].label)
        found += [_summary(variant.label, fold, mine, first) for variant in experiment.variants]
    return found


def _values(records: Sequence[RunRecord], variant: str) -> dict[tuple[str, int], dict[str, float]]:
    return {(r.fold, r.seed): r.numbers() for r in records if r.variant == variant}


def _summary(
    variant: str,
    fold: str | None,
    records: Sequence[RunRecord],
    first: Mapping[tuple[str, int], Mapping[str, float]],
) -> VariantSummary:
    values = _values(records, variant)
    names = dict.fromkeys(name for numbers in values.values() for name in numbers)
    columns = {name: {run: numbers[name] for run, numbers in values.items() if name in numbers} for name in names}
    return VariantSummary(
        variant=variant,
        fold=fold,
        runs=len(values),
        failed=sum(record.variant == variant and record.failed is not None for record in records),
        mean={name: statistics.fmean(column.values()) for name, column in columns.items()},
        std={name: _std(list(column.values())) for name, column in columns.items()},
        seed_std={name: _seed_std(column) for name, column in columns.items()},
        difference={
            name: _difference(columns.get(name, {}), first, name, lower) for name, lower in LOWER_IS_BETTER.items()
        },
    )


def _difference(
    own: Mapping[tuple[str, int], float],
    first: Mapping[tuple[str, int], Mapping[str, float]],
    name: str,
    lower: bool,
) -> Difference:
    gaps = [value - first[run][name] for run, value in own.items() if name in first.get(run, {})]
    wins = sum(gap < 0 if lower else gap > 0 for gap in gaps)
    mean = statistics.fmean(gaps) if gaps else math.nan
    return Difference(len(gaps), mean, _std(gaps) / math.sqrt(max(len(gaps), 1)), wins)


def _seed_std(column: Mapping[tuple[str, int], float]) -> float:
    by_fold: dict[str, list[float]] = {}
    for (fold, _), value in column.items():
        by_fold.setdefault(fold, []).append(value)
    variances = [statistics.variance(values) for values in by_fold.values() if len(values) > 1]
    return math.sqrt(statistics.fmean(variances)) if variances else math.nan


def _std(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else math.nan

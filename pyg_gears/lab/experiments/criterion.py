"""Numeric success criteria of an experiment, and the verdict of its runs on them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Self, TypeAlias

import pandas as pd
from pydantic import model_validator

from pyg_gears.configuration import Configuration
from pyg_gears.errors import expect

Outcome: TypeAlias = Literal["passed", "failed", "not measured"]
LIMIT = re.compile(r"(<=|>=|==|<|>) (-?\d+(?:\.\d+)?)")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
STATISTICS = ("value", "difference", "ratio", "seed_std", "seed_range", "fold_range", "variant_range")


class Condition(Configuration):
    """A limit on one statistic of one metric: exactly one of the fields from ``value`` on, as ``"<= 0.38"``."""

    metric: str
    """Name of a metric, as in the table; one of an evaluation is written ``evaluation: name``."""
    variant: str | None = None
    """Label of the variant."""
    against: str | None = None
    """Variant to compare with, over runs of the same fold and seed."""
    variants: tuple[str, ...] = ()
    """Variants of ``variant_range``."""
    value: str | None = None
    """Mean over folds and seeds."""
    difference: str | None = None
    """Mean difference to ``against``."""
    ratio: str | None = None
    """Mean divided by that of ``against``."""
    seed_std: str | None = None
    """Standard deviation over seeds, the root of the mean variance within folds."""
    seed_range: str | None = None
    """Largest minus smallest value over the seeds of a fold, in the worst fold."""
    fold_range: str | None = None
    """Largest minus smallest mean of a fold."""
    variant_range: str | None = None
    """Largest minus smallest mean of the ``variants``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [name for name in STATISTICS if getattr(self, name) is not None]
        expect(
            len(given) == 1,
            f"expected one of {', '.join(STATISTICS)} in a condition, found {', '.join(given) or 'none'}; state one limit.",
        )
        expect(
            LIMIT.fullmatch(self.limit) is not None,
            f"expected a limit such as '<= 0.38', found {self.limit!r}; write a comparison and a number.",
        )
        paired, ranged = self.statistic in ("difference", "ratio"), self.statistic == "variant_range"
        expect(
            paired == (self.against is not None) and ranged == (len(self.variants) > 1),
            f"expected 'against' with a difference or ratio and 'variants' with a variant_range, found {self.statistic}; "
            "name what is compared.",
        )
        expect(
            ranged == (self.variant is None),
            f"expected a variant for {self.metric}, found {self.variant}; name one, or several in 'variants' for their range.",
        )
        return self

    @property
    def statistic(self) -> str:
        """Name of the statistic that is limited."""
        return next(name for name in STATISTICS if getattr(self, name) is not None)

    @property
    def limit(self) -> str:
        """The limit, for instance ``"<= 0.38"``."""
        return str(getattr(self, self.statistic))

    @property
    def text(self) -> str:
        """The condition in words."""
        if self.statistic == "variant_range":
            return f"range of {self.metric} over {', '.join(self.variants)} {self.limit}"
        sign = {"difference": "minus", "ratio": "over"}.get(self.statistic)
        about = f"{self.variant} {sign} {self.against}" if sign else str(self.variant)
        kind = "" if sign or self.statistic == "value" else f"{self.statistic.replace('_', ' ')} of "
        return f"{kind}{self.metric}, {about}, {self.limit}"

    def measure(self, runs: pd.DataFrame) -> Measured:
        """The statistic of the runs.

        Args:
            runs: A row per run with the columns variant, fold, seed and a column per metric.
        """
        labels = self.variants or tuple(label for label in (self.variant, self.against) if label is not None)
        if self.metric not in runs or not set(labels) <= set(runs["variant"]):
            return Measured(self, math.nan, math.nan)
        table = runs.pivot(index=["fold", "seed"], columns="variant", values=self.metric)[list(labels)].dropna()
        first = table[labels[0]]
        folds = first.groupby("fold")
        if self.statistic == "difference":
            difference = first - table[labels[1]]
            return Measured(self, difference.mean(), seed_deviation(difference))
        found = {
            "value": lambda: first.mean(),
            "ratio": lambda: first.mean() / table[labels[1]].mean(),
            "seed_std": lambda: seed_deviation(first),
            "seed_range": lambda: (folds.max() - folds.min())[folds.size() > 1].max(),
            "fold_range": lambda: folds.mean().max() - folds.mean().min() if len(folds) > 1 else math.nan,
            "variant_range": lambda: table.mean().max() - table.mean().min(),
        }[self.statistic]()
        return Measured(self, float(found), seed_deviation(first) if self.statistic == "value" else math.nan)


class Measured(NamedTuple):
    """A condition and what the runs gave for it.

    Attributes:
        condition: The condition.
        value: The statistic; NaN where the runs do not determine it.
        seed_std: Standard deviation over seeds within folds of a value or difference; NaN for other statistics, or one seed.
    """

    condition: Condition
    value: float
    seed_std: float

    @property
    def outcome(self) -> Outcome:
        """Whether the limit is kept."""
        if math.isnan(self.value):
            return "not measured"
        sign, limit = self.condition.limit.split()
        return "passed" if COMPARE[sign](self.value, float(limit)) else "failed"


class Criterion(Configuration):
    """A claim that holds if all, or if any, of its conditions do: exactly one of ``all`` and ``any``."""

    claim: str
    """What is claimed, in words."""
    source: str
    """Where the limit comes from."""
    protocol: Literal["inductive", "transductive"] | None = None
    """The only protocol whose figures the limit can be applied to; None for every protocol."""
    all: tuple[Condition, ...] = ()
    """Conditions that must all hold."""
    any: tuple[Condition, ...] = ()
    """Conditions of which one must hold."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        expect(
            (len(self.all) > 0) != (len(self.any) > 0),
            f"expected either 'all' or 'any' with conditions for the claim {self.claim!r}, found both or neither; keep one.",
        )
        return self

    @property
    def variants(self) -> tuple[str, ...]:
        """Labels of the variants that it reads."""
        labels = [label for one in (*self.all, *self.any) for label in (one.variant, one.against, *one.variants)]
        return tuple(dict.fromkeys(label for label in labels if label is not None))

    def judge(self, runs: pd.DataFrame, protocol: str) -> Verdict:
        """The verdict on runs of one protocol."""
        fits = self.protocol in (None, protocol)
        measured = tuple(one.measure(runs if fits else runs[:0]) for one in (*self.all, *self.any))
        outcomes = [one.outcome for one in measured]
        decisive: Outcome = "failed" if self.all else "passed"
        other: Outcome = "passed" if self.all else "failed"
        outcome = decisive if decisive in outcomes else "not measured" if "not measured" in outcomes else other
        return Verdict(self.claim, self.source, protocol, outcome, measured, None if fits else self.protocol)


class Verdict(NamedTuple):
    """The outcome of a criterion.

    Attributes:
        claim: The claim.
        source: Where its limit comes from.
        protocol: Protocol of the runs.
        outcome: "passed", "failed" or "not measured".
        measured: Each condition with its figure.
        needed: The protocol that the limit applies to, where the runs are of another.
    """

    claim: str
    source: str
    protocol: str
    outcome: Outcome
    measured: tuple[Measured, ...]
    needed: str | None = None

    def lines(self) -> list[str]:
        """The verdict as text, one line and then one per condition."""
        runs = self.protocol if self.needed is None else f"needs {self.needed} runs"
        found = [f"{self.outcome}: {self.claim} ({runs}; {self.source})"]
        for one in self.measured:
            std = "" if math.isnan(one.seed_std) else f" (seeds {one.seed_std:.3f})"
            figure = "not measured" if math.isnan(one.value) else f"{one.value:.3f}{std}, {one.outcome}"
            found.append(f"  {one.condition.text}: {figure}")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        conditions = [
            {"condition": one.condition.text, "value": one.value, "seed_std": one.seed_std, "outcome": one.outcome}
            for one in self.measured
        ]
        return {**self._asdict(), "measured": conditions}


def seed_deviation(values: pd.Series) -> float:
    """Standard deviation over seeds, the root of the mean variance within folds; NaN without two seeds of a fold.

    Args:
        values: Indexed by a level named ``fold``.
    """
    return float(values.groupby("fold").var().mean() ** 0.5)

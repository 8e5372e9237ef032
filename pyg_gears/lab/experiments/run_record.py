"""The numbers of one finished run, as a small JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pydantic import Field

from pyg_gears.configuration import Configuration
from pyg_gears.data.whole_file import whole_file

KEYS = ("variant", "protocol", "fold", "seed", "failed")


class RunRecord(Configuration):
    """One finished run of a grid."""

    variant: str
    """Label of the variant."""
    protocol: str
    """"inductive" or "transductive"."""
    fold: str
    """Slide held out."""
    seed: int
    """Seed of the structure model."""
    numbers: dict[str, float] = Field(default_factory=dict)
    """Name to number, those of an evaluation as ``evaluation: name``; a number that is not defined is left out."""
    failed: str | None = None
    """Why the run has no numbers: its training diverged. None for a run that went well."""

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> RunRecord:
        """Read what :meth:`write` wrote."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


def run_table(records: Sequence[RunRecord]) -> pd.DataFrame:
    """A row per run with the columns variant, protocol, fold, seed, failed and one column per number.

    ``diverged`` is 1 for a run whose training failed, else 0.
    """
    rows = [
        {**one.model_dump(include=set(KEYS)), "diverged": float(one.failed is not None), **one.numbers}
        for one in records
    ]
    return pd.DataFrame(rows, columns=None if rows else [*KEYS, "diverged"])

"""The numbers of one finished run, as a small JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyg_gears.data.whole_file import whole_file
from pyg_gears.report.report_folder import plain


@dataclass(frozen=True)
class RunRecord:
    """One finished run of a grid.

    Attributes:
        variant: Label of the variant.
        fold: Slide held out.
        seed: Seed of the structure model.
        values: Name to number; None where it is not defined. See :func:`pyg_gears.lab.experiments.evaluations.measure`;
            besides ``best_epoch`` and ``epochs`` (counted from 1) and ``seconds`` of training, None for a resumed run.
        evaluations: Evaluation to name to number.
        failed: Why the run has no numbers: its training diverged. None for a run that went well.
    """

    variant: str
    fold: str
    seed: int
    values: Mapping[str, float | None] = field(default_factory=dict)
    evaluations: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    failed: str | None = None

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_text(json.dumps(plain(asdict(self)), indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        """Read what :meth:`write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def numbers(self) -> dict[str, float]:
        """All defined numbers by name; those of an evaluation as ``evaluation: name``."""
        found = dict(self.values)
        for evaluation, values in self.evaluations.items():
            found |= {f"{evaluation}: {name}": value for name, value in values.items()}
        return {name: value for name, value in found.items() if value is not None}

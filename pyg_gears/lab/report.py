"""The report of a list of probes: numbers, tables, verdicts and one figure per probe, in one folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pyg_gears.lab.probe import PUBLISHED, RELATIVE, AnyProbe, NotMeasurable, Requirement
from pyg_gears.lab.text_table import text_table
from pyg_gears.report.figure_style import new_figure, save_figure
from pyg_gears.report.report_folder import plain, report_folder
from pyg_gears.typing import FilePath


class Measured(NamedTuple):
    """What probes found about one subject.

    Attributes:
        records: Probe and record, for those that could be measured.
        notes: A sentence for each probe that could not.
    """

    records: tuple[tuple[AnyProbe, Any], ...]
    notes: tuple[str, ...]

    def requirements(self) -> list[Requirement]:
        """The requirements of all probes, in their order."""
        return [one for probe, record in self.records for one in probe.requirements(record)]


def measure_probes(probes: Sequence[AnyProbe], subject: Any) -> Measured:
    """Run each probe; one that the subject does not allow leaves a note."""
    records, notes = [], []
    for probe in probes:
        try:
            records.append((probe, probe.measure(subject)))
        except NotMeasurable as error:
            notes.append(f"{probe.name} was left out: {error}")
    return Measured(tuple(records), tuple(notes))


def write_report(
    out: FilePath,
    head: Mapping[str, Any],
    lines: Sequence[str],
    measured: Measured,
    more: Callable[[Path], None] = lambda folder: None,
) -> dict[str, Any]:
    """Write ``report.json``, ``report.txt`` and the figures; the folder appears whole or not at all.

    Args:
        out: A new or empty folder.
        head: First entries of ``report.json``.
        lines: First lines of ``report.txt``, and the caption of every figure: what was measured, on how many, what was held out.
        measured: Records of the probes.
        more: Writes further files into the folder.

    Returns:
        The content of ``report.json``: ``head``, ``notes``, ``requirements`` (with ``passed``) and ``probes`` (name ->
        numbers). What is not defined is None.

    Raises:
        InputError: when the folder cannot be written.
        ImportError: without matplotlib.
    """
    requirements = measured.requirements()
    report = plain(
        {
            **head,
            "notes": measured.notes,
            "requirements": [{**one._asdict(), "passed": one.passed} for one in requirements],
            "probes": {probe.name: as_mappings(probe.numbers(record)) for probe, record in measured.records},
        }
    )
    assert isinstance(report, dict)
    with report_folder(out) as folder:
        content = json.dumps(report, indent=2, allow_nan=False)
        (folder / "report.json").write_text(content + "\n", encoding="utf-8")
        (folder / "report.txt").write_text(report_text(lines, measured), encoding="utf-8")
        for probe, record in measured.records:
            if probe.draw is not None:
                figure = new_figure(6.0, 4.0)
                probe.draw(record, figure)
                save_figure(figure, folder / f"{probe.name}.png", "; ".join(lines))
        more(folder)
    return report


def report_text(lines: Sequence[str], measured: Measured) -> str:
    """Head, verdicts, then the tables of every probe."""
    requirements = measured.requirements()
    parts = ["\n".join([*lines, *measured.notes]) + "\n"]
    for title, basis in (
        (f"Verdicts, {RELATIVE}", RELATIVE),
        (f"For comparison, limits {PUBLISHED}", PUBLISHED),
    ):
        for subject in dict.fromkeys(one.subject for one in requirements if one.basis == basis):
            chosen = [one for one in requirements if (one.basis, one.subject) == (basis, subject)]
            parts.append(text_table(f"{subject}. {title}", requirement_table(chosen)))
    for probe, record in measured.records:
        parts += [text_table(title, frame) for title, frame in probe.tables(record).items()]
    return "\n".join(parts)


def requirement_table(requirements: Sequence[Requirement]) -> pd.DataFrame:
    """Verdict, figure, limit and note of each requirement, by name."""
    verdicts = {None: "not measured", True: "passed", False: "FAILED"}
    columns = ["verdict", "figure", "limit", "note"]
    width = max(len(r.note) for r in requirements)
    rows = [(verdicts[r.passed], r.value, f"{r.direction} {r.limit:.3g}", r.note.ljust(width)) for r in requirements]
    return pd.DataFrame(rows, index=[r.name for r in requirements], columns=columns)


def as_mappings(value: Any) -> Any:
    """Records (named tuples, dataclasses) as mappings, all the way down."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: as_mappings(item) for key, item in value.items()}
    return [as_mappings(item) for item in value] if isinstance(value, list | tuple) else value

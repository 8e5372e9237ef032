"""The history of the benchmarks' ratios, one JSON object per line; a run is compared with the last entry of the same processor.

An entry holds ``date``, ``version``, what it ran on, and ``ratios``: name -> value, of which lower is better. Ratios depend on
the processor too: matrix products speed up more from one generation to the next than gathers and scatters do.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LIMIT = 1.25
"""A ratio above the last one times this is a regression."""


def read_history(file: Path) -> list[dict[str, Any]]:
    """The entries, oldest first; none without a file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def last_of(entries: Sequence[Mapping[str, Any]], processor: str) -> dict[str, float]:
    """The ratios of the last entry of this processor; none without such an entry."""
    return next((dict(entry["ratios"]) for entry in reversed(entries) if entry.get("processor") == processor), {})


def processor_name(information: str | None = None) -> str:
    """Name, family and model of the processor, as clouds give several generations one name.

    Args:
        information: Text of Linux's ``/proc/cpuinfo``, of which the first processor counts; that of this machine if omitted.
    """
    file = Path("/proc/cpuinfo")
    if information is None:
        information = file.read_text() if file.exists() else ""
    fields: dict[str, str] = {}
    for line in information.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    return f"{fields['model name']}, family {fields.get('cpu family', '?')} model {fields.get('model', '?')}"


def append_entry(file: Path, entry: Mapping[str, Any]) -> None:
    """Add an entry at the end; the file is replaced as a whole."""
    lines = [json.dumps(one) for one in [*read_history(file), entry]]
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text("\n".join(lines) + "\n")
    os.replace(part, file)


def regressions(ratios: Mapping[str, float], last: Mapping[str, float]) -> list[str]:
    """Names of the ratios that are worse than the last ones by more than the limit; a new ratio has nothing to be worse than."""
    return [name for name, value in ratios.items() if name in last and value > LIMIT * last[name]]


def comparison(ratios: Mapping[str, float], last: Mapping[str, float]) -> str:
    """A line for every ratio of either entry: the last value, the new one, and what became of it."""
    worse = set(regressions(ratios, last))
    width = max(len(name) for name in [*ratios, *last])
    lines = [f"{'ratio (lower is better)':<{width}}{'last':>10}{'now':>10}"]
    for name in [*ratios, *(name for name in last if name not in ratios)]:
        before, now = (f"{values[name]:.3f}" if name in values else "--" for values in (last, ratios))
        verdict = (
            "  WORSE" if name in worse else "  new" if name not in last else "  gone" if name not in ratios else ""
        )
        lines.append(f"{name:<{width}}{before:>10}{now:>10}{verdict}")
    return "\n".join(lines)

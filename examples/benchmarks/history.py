"""The history of the benchmarks' ratios: one JSON object a line, the last line the measure of the next run.

An entry holds ``date``, ``version``, what it ran on, and ``ratios``: name -> value, of which lower is better.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMIT = 1.25
"""A ratio above the last one times this is a regression."""


def read_history(file: Path) -> list[dict[str, Any]]:
    """The entries, oldest first; none without a file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


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

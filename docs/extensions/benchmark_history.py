"""The table of the benchmarks' history, a column an entry, from the file that ``make bench`` extends."""

from __future__ import annotations

import json
from pathlib import Path

SHOWN = 6
"""The latest entries that fit beside each other."""


def history_table(history: Path) -> str:
    """A Markdown table of the latest entries, oldest first; a ratio that an entry lacks is a dash."""
    entries = [json.loads(line) for line in history.read_text().splitlines()] if history.exists() else []
    if not entries:
        return "No entry yet: `make bench` adds the first.\n"
    shown = entries[-SHOWN:]
    names = list(dict.fromkeys(name for entry in reversed(shown) for name in entry["ratios"]))
    heads = [
        f"{entry['date']}, {entry['version']}, torch {entry['torch']}, {entry.get('processor', 'processor not recorded')}"
        for entry in shown
    ]
    rows = [[f"{e['ratios'][name]:.2f}" if name in e["ratios"] else "--" for e in shown] for name in names]
    return "\n".join(
        [
            f"| ratio, lower is better | {' | '.join(heads)} |",
            "|---" * (len(shown) + 1) + "|",
            *(f"| {name} | {' | '.join(row)} |" for name, row in zip(names, rows, strict=True)),
            "",
        ]
    )

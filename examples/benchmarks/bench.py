"""What ``make bench`` runs: a fixed set of short benchmarks, compared with the history's last entry of the same processor.

A program with a ratio that is worse by more than 25 % runs once more, and the lower value counts, since a machine with other
work adds noise and never takes any away. If it stays worse, the exit code is 1 and the history is left as it is; otherwise
the entry is added.

    python examples/benchmarks/bench.py [--history docs/benchmarks/HISTORY.jsonl]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from history import LIMIT, append_entry, comparison, last_of, processor_name, read_history, regressions

HERE = Path(__file__).resolve().parent
HISTORY = HERE.parents[1] / "docs" / "benchmarks" / "HISTORY.jsonl"
PROGRAMS = (
    ("layers.py", "--nodes", "1000", "--degrees", "10", "--rounds", "11", "--no-memory"),
    ("layers.py", "--nodes", "1000", "--degrees", "100", "--rounds", "5"),
    ("training_step.py", "--rounds", "3"),
    ("layout_stages.py", "--cells", "2000", "--rounds", "3"),
)


def measure(program: Sequence[str]) -> dict[str, float]:
    """The ratios of one program, run on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ratios.json"
        command = [sys.executable, "-W", "ignore", str(HERE / program[0]), *program[1:], "--json", str(file)]
        print(f"\n$ {' '.join(program)}", flush=True)
        subprocess.run(command, check=True, env=environment)
        return json.loads(file.read_text())["ratios"]


def measure_all(programs: Sequence[Sequence[str]], last: Mapping[str, float]) -> dict[str, float]:
    """The ratios of all programs, those of a program that looks worse from the better of two runs."""
    ratios: dict[str, float] = {}
    for program in programs:
        found = measure(program)
        if regressions(found, last):
            again = measure(program)
            found = {name: min(value, again[name]) for name, value in found.items()}
        ratios |= found
    return ratios


def main() -> None:
    """Measure, compare, and add the entry."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", type=Path, default=HISTORY)
    arguments = parser.parse_args()
    processor = processor_name()
    last = last_of(read_history(arguments.history), processor)
    if not last:
        print(f"The history has no entry of this processor ({processor}): this run is its first, compared with none.")
    ratios = measure_all(PROGRAMS, last)
    print(f"\n{comparison(ratios, last)}")
    worse = regressions(ratios, last)
    if worse:
        sys.exit(f"{len(worse)} ratios are worse than the last ones by more than {LIMIT - 1:.0%}; nothing was added")
    import torch
    import torch_geometric

    import pyg_gears

    entry = {
        "date": datetime.date.today().isoformat(),
        "version": pyg_gears.__version__,
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
        "python": platform.python_version(),
        "processor": processor,
        "ratios": ratios,
    }
    append_entry(arguments.history, entry)
    print(f"\nadded to {arguments.history}")


if __name__ == "__main__":
    main()

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_damaged_files_of_every_format_are_refused_or_read_right() -> None:
    # In a process of its own, since what it looks for may end the process.
    code = """
    from tests.campaign import files
    for seed in range(1000, 1020):
        found = files.attempt(seed)
        assert found is None, f"{files.describe(seed)}: {found}"
    print("tried all")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"code {done.returncode}: {done.stderr[-3000:]}"
    assert done.stdout == "tried all\n"

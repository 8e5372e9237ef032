"""How much more memory a piece of work held at most than there was before it."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROCESS = Path("/proc/self")


class PeakMemory:
    """Filled when the work is done.

    Attributes:
        megabytes: Largest resident memory of the process during the work, less that before it; NaN where the system
            does not tell (it does on Linux).
    """

    megabytes: float = math.nan


@contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Measure the block that runs within."""
    found = PeakMemory()
    before = _reset()
    yield found
    if before is not None:
        found.megabytes = max(0.0, _status("VmHWM") - before)


def _reset() -> float | None:
    """Forget the largest resident memory so far; what is resident now, in MB."""
    try:
        # What earlier work has freed is given back to the system; otherwise this work would live in it unseen.
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        (PROCESS / "clear_refs").write_text("5")
        return _status("VmRSS")
    except (OSError, ValueError, AttributeError):
        return None


def _status(name: str) -> float:
    """A line of the process' status, in MB."""
    for line in (PROCESS / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(name)

"""Limits of an inspection: size declared against size stored, number and depth of elements, CPU time a step, memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from pyg_gears.data.io.inspection.node import Unfit

MAX_ELEMENTS = 100_000
MAX_DEPTH = 32
# Real tables shrink 3 to 60 times by compression; a bomb shrinks up to 1,032 times, or holds no chunk at all.
MAX_RATIO = 200
ALWAYS_ALLOWED = 2**30
STEP_SECONDS = 5.0
SLAB_BYTES = 8 * 2**20
SLOWEST_BYTES_A_SECOND = 20e6


class _Steps:
    limited = False


_STEPS = _Steps()


class Budget:
    """What a file may ask for.

    All arrays together may declare 200 times the size of the file (1 GiB for small files); those that are read whole never
    more than the memory that is available. 100,000 elements and 32 levels are far more than any table has.

    Args:
        stored: Size of the file in bytes.
    """

    def __init__(self, stored: int) -> None:
        self.stored, self.memory = stored, available_memory()
        self.declared = self.whole = self.elements = 0

    def add_element(self, depth: int) -> None:
        """Count an element.

        Raises:
            Unfit: for too many, or too deep.
        """
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise Unfit(f"it has more than {MAX_ELEMENTS} elements")
        if depth > MAX_DEPTH:
            raise Unfit(f"its groups are nested deeper than {MAX_DEPTH} levels")

    def add_bytes(self, size: int, where: str, *, in_blocks: bool = False) -> None:
        """Count what an array takes in memory.

        Args:
            size: Bytes.
            where: The array, for messages.
            in_blocks: Whether it is read block by block, see :func:`read_in_blocks`.

        Raises:
            Unfit: when the file declares more than it can hold, or more than memory.
        """
        self.declared += size
        self.whole += 0 if in_blocks else size
        if self.whole > self.memory:
            raise Unfit(
                f"with {where} it declares {gigabytes(self.whole)} where {gigabytes(self.memory)} of memory are free"
            )
        if self.declared > max(ALWAYS_ALLOWED, MAX_RATIO * self.stored):
            raise Unfit(
                f"with {where} it declares {gigabytes(self.declared)}, more than {MAX_RATIO} times what it stores",
                "store tables that are mostly zero as sparse matrices",
            )


def available_memory() -> int:
    """Bytes that a process may still take: of the machine, or of its control group."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 2**34
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
        free = min(free, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):
        pass  # other systems, or no limit ("max")
    return free


def limit_process(memory: int) -> None:
    """Limit this process: its memory to ``memory`` and one GiB, its steps in time; it writes no core file.

    A limit that it already has (``ulimit -v``, as schedulers of clusters set it) is never raised.
    """
    _STEPS.limited = True
    try:
        import resource
    except ImportError:  # Windows: the caller's time limit remains
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    present = [limit for limit in resource.getrlimit(resource.RLIMIT_AS) if limit != resource.RLIM_INFINITY]
    least = min([memory + 2**30, *present])
    resource.setrlimit(resource.RLIMIT_AS, (least, least))


def start_step(size: int = 0) -> None:
    """Allow the next step 5 s of CPU and what reading ``size`` bytes takes; an endless loop inside a library ends there.

    The signal has no handler: a handler in Python would wait for the library to return. Without effect in a process that
    ``limit_process`` has not limited.
    """
    if _STEPS.limited and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, STEP_SECONDS + size / SLOWEST_BYTES_A_SECOND)


def read_in_blocks(path: str, encoding: object) -> bool:
    """Whether an array is a table of expression, or part of one, that :func:`~pyg_gears.data.io.row_blocks.row_blocks` reads.

    Args:
        path: Path of the array.
        encoding: The encoding type of the group that it lies in.
    """
    group, _, name = path.rpartition("/")
    return _is_table(path) or (encoding == "csr_matrix" and name in ("data", "indices") and _is_table(group))


def _is_table(path: str) -> bool:
    return path in ("X", "raw/X") or (path.startswith("layers/") and path.count("/") == 1)


def gigabytes(size: int) -> str:
    """A number of bytes in words."""
    return f"{size / 2**30:,.1f} GiB"

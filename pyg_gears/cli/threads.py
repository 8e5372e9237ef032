"""How many threads a command computes with; set before torch is loaded."""

from __future__ import annotations

import os
from collections.abc import MutableMapping


def choose_threads(environment: MutableMapping[str, str]) -> None:
    """Let waiting threads sleep, and use no more of them than there are free cores; what the user has set stays.

    On a busy machine two threads that spin while they wait for each other were 50 times slower than one.

    Args:
        environment: The variables of the process.
    """
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    if "OMP_NUM_THREADS" not in environment:
        environment["OMP_NUM_THREADS"] = str(free_cores())


def free_cores() -> int:
    """Cores that this process may use less the processes that kept them busy in the last minute; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - round(os.getloadavg()[0]))

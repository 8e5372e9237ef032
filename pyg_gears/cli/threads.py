"""How a command uses its process: threads, and how often Python looks for garbage; set before torch is loaded."""

from __future__ import annotations

import gc
from collections.abc import MutableMapping

OBJECTS = 50_000
"""New objects after which Python looks for cycles of garbage (by default 700)."""


def choose_threads(environment: MutableMapping[str, str]) -> None:
    """One thread, and threads that sleep while they wait, unless the user has set otherwise; no advice of torch to a launcher.

    Sums of floats depend on the number of threads in their last digits, so that a number that follows the load of the machine
    would give another model in every run, and a resumed one that differs from the unbroken one. Beside other work two threads
    that spin while they wait for each other were 50 times slower than one.

    Args:
        environment: The variables of the process.
    """
    environment.setdefault("OMP_NUM_THREADS", "1")
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    if "WORLD_SIZE" in environment or "SLURM_STEP_NUM_TASKS" in environment:
        # Whether a parameter gets a gradient depends on the recipe: torch advises each process against asking.
        environment.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def collect_seldom() -> None:
    """Look for cycles of garbage seldom: loading torch, PyG and Lightning makes a million objects that stay to the end."""
    gc.set_threshold(OBJECTS)

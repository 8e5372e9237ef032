"""How the benchmarks measure: runs that alternate in one process, ratios round by round, memory in a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

Seconds = Mapping[str, Sequence[float]]


def alternate(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of every run, in rounds that call each once, after one round that is not measured."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if number > 0:
                seconds[name].append(time.process_time() - start)
    return seconds


def ratio(seconds: Seconds, ours: str, other: str) -> float:
    """Median over the rounds of ours / other: what slows a whole round down falls out."""
    return statistics.median(a / b for a, b in zip(seconds[ours], seconds[other], strict=True))


def product() -> None:
    """The unit of arithmetic: 34 GFLOP of float32 matrix products, a second or less on one core."""
    a = torch.full((1024, 1024), 1e-3)
    for _ in range(16):
        a = (a @ a).clamp_(-1e-3, 1e-3)


PRODUCT_FLOP = 16 * 2 * 1024**3


def added_mebibytes(run: Callable[[], object]) -> float:
    """Peak resident memory that a run adds. To be called in a process of its own, which has used little before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def in_a_fork(function: Callable[..., float], *arguments: object) -> float:
    """What a function gives in a child that has loaded what this process has; to be called before any gradient is taken.

    A child's peak never reads lower than its parent's memory at the fork: call it before the parent grows.
    """
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(function, arguments)


def write_ratios(file: str | None, ratios: Mapping[str, float]) -> None:
    """Write ``{"ratios": {name: value}}``, of which lower is better, if a file is named."""
    if file is not None:
        rounded = {name: round(value, 4) for name, value in ratios.items()}
        Path(file).write_text(json.dumps({"ratios": rounded}, indent=1) + "\n")

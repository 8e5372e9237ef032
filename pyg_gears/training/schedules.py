"""Weights and learning rates as functions of the time in epochs."""

from __future__ import annotations

import math


def random_walk_weight(epoch: float, *, warmup: float, ramp: float, cap: float) -> float:
    """Weight of the random-walk loss: 0 during the warm-up, then linear to the cap.

    >>> [random_walk_weight(e, warmup=1, ramp=6, cap=0.3) for e in (0.5, 4.0, 9.0)]
    [0.0, 0.15, 0.3]
    """
    if epoch < warmup:
        return 0.0
    return cap * min(1.0, (epoch - warmup) / ramp) if ramp > 0 else cap


def linear_ramp(epoch: float, epochs: float, *, first: float, last: float) -> float:
    """A value that goes linearly from ``first`` at epoch 0 to ``last`` at ``epochs``, and stays there; ``last`` throughout for 0.

    >>> [linear_ramp(e, 6, first=0.5, last=2.0) for e in (0, 3.0, 9.0)]
    [0.5, 1.25, 2.0]
    """
    return first + (last - first) * min(1.0, epoch / epochs) if epochs > 0 else last


def cosine_rate(step: int, total: int, *, high: float, low: float) -> float:
    """Learning rate that falls by half a cosine from ``high`` at step 0 to ``low`` at the last of ``total`` steps."""
    progress = min(1.0, step / max(1, total - 1))
    return low + (high - low) * 0.5 * (1.0 + math.cos(math.pi * progress))


def delayed_ramp(progress: float, begin: float, end: float) -> float:
    """A factor that is 0 until ``begin``, then rises linearly to 1 at ``end``; all three are shares of a run.

    >>> [delayed_ramp(p, 0.25, 0.75) for p in (0.0, 0.5, 0.9)]
    [0.0, 0.5, 1.0]
    """
    if progress < begin:
        return 0.0
    return min(1.0, (progress - begin) / (end - begin)) if end > begin else 1.0

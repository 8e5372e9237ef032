"""From noise to a residual: noise levels and the steps between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor


def karras_levels(high: float, low: float, steps: int, rho: float = 7.0) -> list[float]:
    r"""Falling noise levels, dense near the low end, and zero at last.

    .. math:: s_i = \big(s_{high}^{1/\rho} + \tfrac{i}{N-1} (s_{low}^{1/\rho} - s_{high}^{1/\rho})\big)^\rho, \quad s_N = 0

    Args:
        high: First level.
        low: Last level before zero.
        steps: Steps N.
        rho: How dense near the low end.

    Source: Karras et al. (2022), equation 5.

    >>> [round(level, 3) for level in karras_levels(1.0, 0.01, 3)]
    [1.0, 0.145, 0.01, 0.0]
    """
    ends = high ** (1 / rho), low ** (1 / rho)
    share = [i / max(1, steps - 1) for i in range(steps)]
    return [(ends[0] + part * (ends[1] - ends[0])) ** rho for part in share] + [0.0]


@torch.no_grad()
def heun_sample(denoise: Callable[[Tensor, float], Tensor], start: Tensor, levels: list[float]) -> Tensor:
    r"""Follow the probability flow :math:`dx/ds = (x - D(x; s)) / s` from the first level to the last, by Heun's method.

    Args:
        denoise: Estimate D of the clean data at a level.
        start: Where to start, at the first level.
        levels: Falling noise levels, the last of them zero.

    Source: Karras et al. (2022), algorithm 1. The last step, to zero, is Euler's.
    """
    x = start
    for level, following in itertools.pairwise(levels):
        slope = (x - denoise(x, level)) / level
        moved = x + (following - level) * slope
        if following > 0:
            ahead = (moved - denoise(moved, following)) / following
            moved = x + (following - level) * 0.5 * (slope + ahead)
        x = moved
    return x

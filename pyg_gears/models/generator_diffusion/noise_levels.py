"""Which noise level each set of a batch is trained at."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

MEAN, SPREAD = -1.2, 1.2
"""Mean and standard deviation of the logarithm of the level, at a data scale of 0.5."""
REFERENCE = 0.5
HIGH = 0.6
"""The high levels begin at this share of the cap."""


def draw_levels(
    count: int,
    *,
    low: float,
    cap: float,
    high_share: float,
    unit: float,
    generator: torch.Generator | None,
) -> Float[Tensor, " b"]:
    r"""Noise levels: some near the cap, the rest log-normal.

    With probability ``high_share`` a level is log-uniform on [0.6 cap, cap]; otherwise it is
    :math:`u \exp(\mathcal N(-1.2, 1.2^2))`, clamped to [low, cap].

    Args:
        count: Sets b.
        low: Least level.
        cap: Largest level.
        high_share: Share of the high levels.
        unit: Unit u of the log-normal levels: 1 as published, or the data scale over 0.5, for which the two numbers are meant.
            (At a data scale of 0.035 and a unit of 1, 19 of 20 of these levels lie on the cap; low noise is hardly trained.)
        generator: Source, on the CPU; torch's global one if omitted.

    Source: the log-normal levels are those of Karras et al. (2022), whose data scale is 0.5.
    """
    uniform = torch.rand(2, count, generator=generator, device="cpu")
    normal = torch.randn(count, generator=generator, device="cpu")
    floor = torch.tensor(HIGH, device="cpu").log()
    near_cap = cap * (floor * uniform[0]).exp()
    level = unit * (MEAN + SPREAD * normal).exp()
    return torch.where(uniform[1] < high_share, near_cap, level).clamp(min(low, cap), cap)

"""Which spots of a slide take part in one step of an encoder's networks."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def draw_spots(
    pos: Float[Tensor, "n 2"], rows: Int[Tensor, " m"], count: int, generator: torch.Generator
) -> Int[Tensor, " b"]:
    """All of the rows where they are few, else half of ``count`` in one disc and half over the rest of the slide.

    The disc keeps physical neighbours in the batch, the rest gives negatives from everywhere.

    Args:
        pos: Positions of all spots, shape (n, 2).
        rows: Spots that may be drawn, shape (m,).
        count: Spots in the batch at most.
        generator: Source of the draw.

    Returns:
        Spots of the batch, ascending.
    """
    if len(rows) <= count:
        return rows
    centre = pos[rows[torch.randint(len(rows), (1,), generator=generator)]]
    order = (pos[rows] - centre).square().sum(dim=1).argsort(stable=True)
    disc, rest = order[: count // 2], order[count // 2 :]
    other = rest[torch.randperm(len(rest), generator=generator)[: count - count // 2]]
    return rows[torch.cat([disc, other]).sort().values]

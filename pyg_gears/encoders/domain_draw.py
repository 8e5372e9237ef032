"""A batch in which every domain, and within a domain every slide, has the same part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor


def domain_draw(
    domains: Sequence[Sequence[Int[Tensor, " n"]]], count: int, generator: torch.Generator
) -> list[Int[Tensor, " b"]]:
    """Draw equally many rows of every domain, and of every slide of a domain, without replacement where there are enough.

    Args:
        domains: Per domain the rows of each of its slides.
        count: Rows in all; each domain gets the whole part of its share, and at least 2.
        generator: Source of the draw.

    Returns:
        Rows of each domain, shape (max(2, count // domains),) each.

    Source: the balanced draw of the published GEARS encoder, 128 spots and 128 cells; there only cells are balanced by slide.
    """
    each = max(2, count // len(domains))
    drawn = []
    for slides in domains:
        # The first slides of a random order get the remainder.
        order = torch.randperm(len(slides), generator=generator).tolist()
        parts = []
        for place, slide in enumerate(order):
            size = each // len(slides) + (place < each % len(slides))
            parts.append(_some(slides[slide], size, generator))
        drawn.append(torch.cat(parts))
    return drawn


def _some(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    if size <= len(rows):
        return rows[torch.randperm(len(rows), generator=generator)[:size]]
    return rows[torch.randint(len(rows), (size,), generator=generator)]

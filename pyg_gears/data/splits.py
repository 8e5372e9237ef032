"""What training may see: whole slides held out, or a block of each slide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pyg_gears.errors import expect, nearest_name

MIN_BLOCK = 16


class EmbeddedSlide(NamedTuple):
    """A slide as minisets are drawn from it: embedded, expression gone.

    Attributes:
        name: Name of the slide.
        x: Embedding of the spots, shape (n, c).
        pos: Coordinates, shape (n, 2), any unit; float64 keeps ties of lattices exact.
        neighbors: Nearest neighbours in the embedding, shape (n, k); only for expression-drawn minisets.
        allowed: Spots that may be drawn, shape (n,); all if ``None``.
        slide_id: Number of the slide; its place in the list if ``None``.
    """

    name: str
    x: Float[Tensor, "n c"]
    pos: Float[Tensor, "n 2"]
    neighbors: Int[Tensor, "n k"] | None = None
    allowed: Bool[Tensor, " n"] | None = None
    slide_id: int | None = None


def spatial_block(pos: Float[Tensor, "n 2"], fraction: float, seed: int) -> Bool[Tensor, " n"]:
    """Mark one contiguous block: the spots nearest to a random spot.

    A disc (cut by the tissue's edge), because minisets inside a thin strip would look like lines.

    Args:
        pos: Coordinates, shape (n, 2), any unit.
        fraction: Share of the spots in the block, between 0 and 1.
        seed: Chooses the centre.

    Returns:
        True inside the block, shape (n,); round(fraction * n) spots, at least 1 and at most n - 1.

    Raises:
        InputError: when the fraction is not between 0 and 1.
    """
    expect(0 < fraction < 1, f"Expected a fraction between 0 and 1, found {fraction}; choose one between.")
    n = pos.size(0)
    generator = torch.Generator().manual_seed(seed)
    centre = int(torch.randint(n, (), generator=generator))
    distance = (pos.double() - pos[centre].double()).square().sum(dim=1)
    nearest = distance.argsort(stable=True)[: min(max(round(fraction * n), 1), n - 1)]
    inside = torch.zeros(n, dtype=torch.bool)
    inside[nearest] = True
    return inside


def split_slides(
    slides: Sequence[EmbeddedSlide], validate: str | None = None, *, fraction: float = 0.2, seed: int = 0
) -> tuple[list[EmbeddedSlide], list[EmbeddedSlide]]:
    """Split into training and validation: one slide held out, or a spatial block of every slide.

    Slides keep their number on both sides.

    Args:
        slides: All slides.
        validate: Name of the slide to hold out; if ``None``, every slide gives a block instead.
        fraction: Share of each slide in its block, above 0 and at most 0.5; the block has at least 16 spots (where that
            is not more than half of the slide).
        seed: Places the blocks.

    Returns:
        Training slides and validation slides; no spot may be drawn on both sides.

    Raises:
        InputError: when no slide has that name, nothing would be left to train on, or the fraction is out of range.
    """
    expect(0 < fraction <= 0.5, f"Expected a fraction above 0 and at most 0.5, found {fraction}; change it.")
    numbered = [s if s.slide_id is not None else s._replace(slide_id=i) for i, s in enumerate(slides)]
    if validate is not None:
        names = [slide.name for slide in slides]
        hint = nearest_name(validate, names)
        expect(validate in names, f"Expected one of the slides {names}, found {validate!r}{hint}; name one of them.")
        train = [slide for slide in numbered if slide.name != validate]
        expect(bool(train), f"Expected a slide besides {validate!r} to train on, found none; leave validate out.")
        return train, [slide for slide in numbered if slide.name == validate]
    train, held_out = [], []
    for slide in numbered:
        n = slide.pos.size(0)
        share = min(max(fraction, MIN_BLOCK / n), 0.5)
        inside = spatial_block(slide.pos, share, seed)
        usable = torch.ones(n, dtype=torch.bool) if slide.allowed is None else slide.allowed
        train.append(slide._replace(allowed=usable & ~inside))
        held_out.append(slide._replace(allowed=usable & inside))
    return train, held_out

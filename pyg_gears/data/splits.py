"""What training may see: whole slides held out, or a block of each slide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pyg_gears.data.slide import Slide
from pyg_gears.errors import expect, nearest_name
from pyg_gears.seeds import child_seed

MIN_BLOCK = 16


class SlidePart(NamedTuple):
    """The spots of a slide that one side of a split may use.

    Attributes:
        slide: The whole slide: an encoder centres expression by the mean of all its spots.
        inside: The spots of this part, shape (n,).
        slide_id: Number of the slide, the same on both sides.
    """

    slide: Slide
    inside: Bool[np.ndarray, " n"]
    slide_id: int

    @property
    def spots(self) -> Slide:
        """The spots of this part as a slide of their own."""
        return self.slide if self.inside.all() else self.slide.select(self.inside)


class SplitOutput(NamedTuple):
    """Training and validation; no spot is on both sides.

    Attributes:
        train: Parts that training may use.
        held_out: Parts for early stopping and confidence.
        blocks: Whether a block of each slide is held out, rather than a whole slide.
    """

    train: tuple[SlidePart, ...]
    held_out: tuple[SlidePart, ...]
    blocks: bool


def spatial_block(pos: Float[np.ndarray, "n 2"], fraction: float, seed: int) -> Bool[np.ndarray, " n"]:
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
    expect(0 < fraction < 1, f"expected a fraction between 0 and 1, found {fraction}; choose one between.")
    n = len(pos)
    centre = np.random.default_rng(seed).integers(n)
    distance = np.square(np.asarray(pos, dtype=np.float64) - pos[centre]).sum(axis=1)
    inside = np.zeros(n, dtype=bool)
    inside[np.argsort(distance, kind="stable")[: min(max(round(fraction * n), 1), n - 1)]] = True
    return inside


def split_slides(
    slides: Sequence[Slide], validate: str | None = None, *, fraction: float = 0.2, seed: int = 0
) -> SplitOutput:
    """Split into training and validation: one slide held out, or a spatial block of every slide.

    Args:
        slides: All slides, with positions.
        validate: Name of the slide to hold out; if ``None``, every slide gives a block instead.
        fraction: Share of each slide in its block, above 0 and at most 0.5; the block has at least 16 spots (where that
            is not more than half of the slide).
        seed: Places the blocks.

    Returns:
        Both sides; slides keep their number.

    Raises:
        InputError: when no slide has that name, nothing would be left to train on, or the fraction is out of range.
    """
    expect(0 < fraction <= 0.5, f"expected a fraction above 0 and at most 0.5, found {fraction}; change it.")
    whole = tuple(SlidePart(slide, np.ones(len(slide), dtype=bool), number) for number, slide in enumerate(slides))
    if validate is not None:
        names = [slide.name for slide in slides]
        expect(
            validate in names,
            f"expected one of the slides {', '.join(names)}, found {validate!r}{nearest_name(validate, names)}; name one.",
        )
        expect(
            len(slides) > 1,
            f"expected a slide other than {validate!r} to train on, found none; add slides, or validate on a block.",
        )
        train = tuple(part for part in whole if part.slide.name != validate)
        return SplitOutput(train, tuple(part for part in whole if part.slide.name == validate), blocks=False)
    train_parts, held_out = [], []
    for part in whole:
        pos = part.slide.pos
        assert pos is not None
        share = min(max(fraction, MIN_BLOCK / len(pos)), 0.5)
        block = spatial_block(pos, share, child_seed(seed, "block", part.slide_id))
        train_parts.append(part._replace(inside=~block))
        held_out.append(part._replace(inside=block))
    return SplitOutput(tuple(train_parts), tuple(held_out), blocks=True)

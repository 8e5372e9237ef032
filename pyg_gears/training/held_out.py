"""Which slide validates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyg_gears.errors import argument, expect, nearest_name


def held_out_slide(names: Sequence[str], validate: str | None) -> str | None:
    """The slide that validates: the one named, else the last of three or more, else none (a block of each slide)."""
    if validate is None and len(names) >= 3:
        return names[-1]
    return validate


def held_out_block(slides: int) -> str:
    """What is held out where no whole slide is, of so many slides.

    >>> held_out_block(1), held_out_block(2)
    ('a block of it', 'a block of each')
    """
    return f"a block of {'it' if slides == 1 else 'each'}"


def check_held_out(names: Sequence[str], validate: str | None) -> None:
    """Check the name of the slide to hold out.

    Raises:
        InputError: for an unknown name, or when no other slide is left to train on.
    """
    if validate is not None:
        expect(
            validate in names,
            f"expected {argument('validate')} to name one of the slides {', '.join(names)}, found {validate!r}"
            f"{nearest_name(Path(str(validate)).stem, names)}; use one of these names.",
        )
        expect(
            len(names) > 1,
            f"expected a slide other than {validate} to train on, found none; add slides or leave out {argument('validate')}.",
        )

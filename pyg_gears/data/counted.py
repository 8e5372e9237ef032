"""Spots and cells with counts: those without any say nothing about their place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from pyg_gears.data.slide import Slide


class CountedOutput(NamedTuple):
    """A slide without its empty spots.

    Attributes:
        slide: The spots (or cells) with a count; the slide itself where all have one.
        kept: Which of the spots those are, shape (n,).
    """

    slide: Slide
    kept: Bool[np.ndarray, " n"]


def counted(slide: Slide) -> CountedOutput:
    """Leave out spots or cells that have no count in any gene of the slide."""
    kept = np.diff(slide.counts.indptr) > 0  # a Slide stores no zeros
    return CountedOutput(slide if kept.all() else slide.select(kept), kept)

"""Spots of one and the same profile are refused: nothing can be learned from them, and nothing tells their places apart."""

from __future__ import annotations

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.centering import Normalization, normalize_expression
from pyg_gears.errors import expect

MIN_SPAN = 1e-4
"""Range of a gene's normalised expression below which spots are alike: rounding makes less than 1e-5 of it."""


def check_varied(slide: Slide, normalization: Normalization, what: str = "cells") -> None:
    """Check that the spots or cells of a slide differ in the share of their genes; different depths are no difference.

    Args:
        slide: Spots or cells, all with counts.
        normalization: How counts are normalised.
        what: "spots" or "cells", for the message.

    Raises:
        InputError: when all are alike.
    """
    expression = normalize_expression(slide, normalization)
    span = (expression.max(axis=0) - expression.min(axis=0)).toarray()
    expect(
        bool(span.max() > MIN_SPAN),
        f"{slide.name}: expected {what} that differ in the share of their genes, found all {len(slide)} alike; check X (raw "
        "counts of several genes), or leave the file out.",
    )

"""``EmbeddedSlide``: the spots that minisets are drawn from, embedded; their expression is gone."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class EmbeddedSlide(NamedTuple):
    """Spots of one slide with embedding and coordinates.

    Attributes:
        name: Name of the slide.
        x: Embedding of the spots, shape (n, c).
        pos: Coordinates, shape (n, 2), any unit; float64 keeps the ties of lattices exact.
        slide_id: Number of the slide; its place among the slides of a dataset if ``None``.
    """

    name: str
    x: Float[Tensor, "n c"]
    pos: Float[Tensor, "n 2"]
    slide_id: int | None = None

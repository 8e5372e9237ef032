"""All slides of a fit, put together again from both sides of its split."""

from __future__ import annotations

import torch

from pyg_gears.data import EmbeddedSlide, Slide
from pyg_gears.training.parts import Parts
from pyg_gears.training.preparation import Prepared


def whole_slides(parts: Parts, prepared: Prepared) -> tuple[list[Slide], list[EmbeddedSlide]]:
    """Counts, and embeddings with coordinates, of all slides, spot by spot in the same order.

    Training spots keep the embedding that training saw (cross-fitted, if the recipe says so); that of held-out spots comes from
    an encoder that has not seen them in any case.
    """
    slides: dict[int, Slide] = {}
    x: dict[int, torch.Tensor] = {}
    embedded = (*prepared.train.slides, *prepared.validation.slides)
    for part, one in zip((*parts.train, *parts.held_out), embedded, strict=True):
        slides[part.slide_id] = part.slide
        whole = x.setdefault(part.slide_id, one.x.new_zeros(len(part.slide), one.x.size(1)))
        whole[torch.from_numpy(part.inside)] = one.x
    order = sorted(slides)
    found = [
        EmbeddedSlide(slides[number].name, x[number], torch.tensor(slides[number].pos), number) for number in order
    ]
    return [slides[number] for number in order], found

"""How well left-out spots are placed by the rest: what confidence is calibrated by where no whole slide is held out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from pyg_gears.baselines import PlaceRegression
from pyg_gears.baselines.rivals import spatial_blocks
from pyg_gears.geometry import gauge_fix
from pyg_gears.layout.confidence import row_spearman
from pyg_gears.layout.support import NEIGHBORS, TrainingSupport, rms_radius

BLOCKS = 20
"""Blocks of a single slide."""


class LeftOutOutput(NamedTuple):
    """Placements whose quality is known, k of them: what confidence is calibrated by.

    Attributes:
        scatter: Scatter of the spots that resemble the one placed, see :meth:`TrainingSupport.scatter`, shape (k,).
        quality: Rank correlation of its distances to the other spots of its slide with the true ones, shape (k,).
    """

    scatter: Float[np.ndarray, " k"]
    quality: Float[np.ndarray, " k"]


def left_out_quality(
    slides: Sequence[tuple[Float[torch.Tensor, "m c"], Float[torch.Tensor, "m 2"]]], *, seed: int = 0
) -> LeftOutOutput:
    """Place every slide by kNN regression on the others; a single slide block by block, from the rest of it.

    The quality that a held-out block reaches within itself says little about a whole section, as the block is small and lies
    on one side. Here distances span the section.

    On a single slide nearly every spot has others like it. A cell of another file may have none, and the spots that resemble it
    then lie all over the slide. Made-up spots that resemble spots drawn at random show what confidence such a cell deserves.
    Mean difference of claimed and true rank correlation over 38 queries by one slide (quick): 0.117; from ten blocks alone 0.135.

    Args:
        slides: Embedding (m, c), not fitted to the spot itself, and coordinates (m, 2), in any unit, of each slide.
        seed: Chooses the blocks of a single slide, and the spots that the made-up ones resemble.

    Returns:
        One placement for every spot, slide after slide; for a single slide, as many made-up spots follow.
    """
    if len(slides) == 1:
        parts = _by_blocks(*slides[0], seed), _made_up(slides[0][1], seed)
        return LeftOutOutput(*map(np.concatenate, zip(*parts, strict=True)))
    scatter, quality = [], []
    for number, (x, pos) in enumerate(slides):
        others = [slide for i, slide in enumerate(slides) if i != number]
        scatter.append(TrainingSupport.build(others, x).scatter(x))
        quality.append(row_spearman(PlaceRegression.fit("knn", others).layout(x), pos.double().numpy()))
    return LeftOutOutput(np.concatenate(scatter), np.concatenate(quality))


def _by_blocks(x: Float[torch.Tensor, "m c"], pos: Float[torch.Tensor, "m 2"], seed: int) -> LeftOutOutput:
    gauge = gauge_fix(pos.double()).float()
    blocks = torch.from_numpy(spatial_blocks(gauge.double().numpy(), seed=seed, blocks=BLOCKS, draws=1)[0])
    scatter, layout = np.zeros(len(x)), np.zeros((len(x), 2))
    for block in blocks.unique():
        out = blocks == block
        rest = PlaceRegression("knn", (x[~out],), (gauge[~out],))
        scatter[out.numpy()] = TrainingSupport(rest.x, rest.pos, x).scatter(x[out])
        layout[out.numpy()] = rest.places(x[out])[0]
    return LeftOutOutput(scatter, row_spearman(layout, gauge.double().numpy()))


def _made_up(pos: Float[torch.Tensor, "m 2"], seed: int) -> LeftOutOutput:
    gauge = gauge_fix(pos.double()).float().double()
    drawn = np.random.default_rng(seed).integers(len(gauge), size=(len(gauge), NEIGHBORS))
    place = gauge[torch.from_numpy(drawn)]
    return LeftOutOutput(rms_radius(place).numpy(), row_spearman(place.mean(dim=1).numpy(), gauge.numpy()))

"""The first half of a fit: models that hold spots out choose their epoch, and what they reach calibrates confidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from pyg_gears.data import EmbeddedSlide, Slide
from pyg_gears.layout import (
    ConfidenceCalibration,
    LeftOutOutput,
    Regressions,
    TrainingSupport,
    left_out_quality,
    own_components,
    reconstruct_layout,
    row_spearman,
)
from pyg_gears.models import StructureModel
from pyg_gears.ranks import by_first
from pyg_gears.seeds import child_seed
from pyg_gears.training.all_slides import joined_slides
from pyg_gears.training.parts import Parts
from pyg_gears.training.preparation import Prepared
from pyg_gears.training.recipe import Recipe
from pyg_gears.training.structure_training import kept_energies, train_structure


class HeldOutFit(NamedTuple):
    """What models that have not seen the held-out spots reach on them.

    Attributes:
        members: The models, each of its best epoch.
        layouts: Name of the slide -> layout of its held-out spots, shape (n, 2).
        quality: Rank correlation of predicted and true distances, mean over the held-out spots.
        calibration: From the scatter of a cell's like to the quality to expect.
        energies: E_geo on validation at the epochs that were kept, mean over the models.
    """

    members: tuple[StructureModel, ...]
    layouts: dict[str, Float[np.ndarray, "n 2"]]
    quality: float
    calibration: ConfidenceCalibration
    energies: dict[str, float]


def fit_held_out(
    recipe: Recipe,
    parts: Parts,
    prepared: Prepared,
    support: TrainingSupport,
    work: Path,
    *,
    progress: bool,
    device: torch.device,
) -> HeldOutFit:
    """Train the models on one side of the split, and lay out the other one as a query of its slide would be.

    Args:
        recipe: The recipe.
        parts: Both sides of the split.
        prepared: What was made of them.
        support: The training spots of this side.
        work: Folder of checkpoints.
        progress: Show progress bars.
        device: Where models are trained.
    """
    seed = recipe.training.seed
    folders = [work / f"member_{number}" for number in range(recipe.training.members)]
    members = tuple(
        train_structure(
            recipe,
            prepared.train,
            prepared.validation,
            seed=child_seed(seed, "member", number),
            folder=folder,
            projection=prepared.candidates.projection,
            progress=progress,
            device=device,
        )
        for number, folder in enumerate(folders)
    )
    layouts = _layouts(recipe, parts, prepared, members, device)
    slides = prepared.validation.slides
    quality = [row_spearman(pos, slide.pos.numpy()) for pos, slide in zip(layouts, slides, strict=True)]

    def calibrate() -> ConfidenceCalibration:
        if prepared.blocks:
            known = left_out_quality([(slide.x, slide.pos) for slide in joined_slides(parts, prepared)], seed=seed)
        else:
            scatter = [support.scatter(slide.x) for slide in slides]
            known = LeftOutOutput(np.concatenate(scatter), np.concatenate(quality))
        return ConfidenceCalibration.fit(known.scatter, known.quality)

    energies = by_first(lambda: [kept_energies(folder) for folder in folders])
    return HeldOutFit(
        members=members,
        layouts={slide.name: layout for slide, layout in zip(slides, layouts, strict=True)},
        quality=float(np.concatenate(quality).mean()),
        calibration=by_first(calibrate),
        energies={name: float(np.mean([energy[name] for energy in energies])) for name in energies[0]},
    )


def fit_regressions(recipe: Recipe, slides: Sequence[Slide], embedded: Sequence[EmbeddedSlide]) -> Regressions | None:
    """The regressions that vote beside the models, on these slides; None where the recipe has none."""
    if recipe.regressions is None:
        return None
    return Regressions.fit(recipe.regressions, slides, embedded, seed=recipe.training.seed)


def _layouts(
    recipe: Recipe, parts: Parts, prepared: Prepared, members: Sequence[StructureModel], device: torch.device
) -> list[Float[np.ndarray, "n 2"]]:
    regressions = fit_regressions(recipe, [part.spots for part in parts.train], prepared.train.slides)
    return [
        reconstruct_layout(
            members,
            slide.x,
            candidates=prepared.candidates,
            progress=False,
            device=device,
            regressions=regressions.layouts(part.slide, slide.x, part.inside) if regressions else (),
            own=own_components(part.slide, part.inside),
        ).pos
        for part, slide in zip(parts.held_out, prepared.validation.slides, strict=True)
    ]

"""The minisets of slides as a recipe draws them: for training, validation, probes and experiments alike."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch_geometric.transforms import Compose

from pyg_gears.data import EmbeddedSlide, MinisetDataset
from pyg_gears.data.miniset_recipe import PairedViews
from pyg_gears.training.recipe import Recipe
from pyg_gears.transforms import CandidateGraph, GeometricTargets, GramFactor
from pyg_gears.typing import FilePath


def recipe_minisets(
    slides: Sequence[EmbeddedSlide],
    recipe: Recipe,
    candidates: CandidateGraph,
    *,
    seed: int,
    count: int | None = None,
    views: PairedViews | None = None,
    cache: FilePath | None = None,
) -> MinisetDataset:
    """Minisets with geometric targets and candidate graphs; no coordinate leaves them.

    Args:
        slides: Embedded slides.
        recipe: The recipe; ``minisets`` decides how to draw.
        candidates: How candidate graphs are built, as the model was or will be trained with.
        seed: Chooses sizes and spots.
        count: Number of minisets, if not the recipe's.
        views: Draw overlapping pairs.
        cache: Folder for finished minisets; in memory only if omitted.
    """
    steps = [GeometricTargets(), candidates]
    if "gram_factor" in getattr(recipe.model, "needs", ()):
        units = {
            number if slide.slide_id is None else slide.slide_id: _radius(slide.pos)
            for number, slide in enumerate(slides)
        }
        steps.insert(0, GramFactor(units))
    return MinisetDataset(
        slides, recipe.minisets, pre_transform=Compose(steps), seed=seed, count=count, views=views, cache=cache
    )


def _radius(pos: Tensor) -> float:
    """Root mean square radius of a slide."""
    return float((pos.double() - pos.double().mean(dim=0)).square().sum(dim=1).mean().sqrt())

"""The minisets of slides as a recipe draws them: for training, validation, probes and experiments alike."""

from __future__ import annotations

from collections.abc import Sequence

from torch_geometric.transforms import Compose

from pyg_gears.data import EmbeddedSlide, MinisetDataset
from pyg_gears.training.recipe import Recipe
from pyg_gears.transforms import CandidateGraph, GeometricTargets
from pyg_gears.typing import FilePath


def recipe_minisets(
    slides: Sequence[EmbeddedSlide],
    recipe: Recipe,
    candidates: CandidateGraph,
    *,
    seed: int,
    count: int | None = None,
    cache: FilePath | None = None,
) -> MinisetDataset:
    """Minisets with geometric targets and candidate graphs; no coordinate leaves them.

    Args:
        slides: Embedded slides.
        recipe: The recipe; ``minisets`` decides how to draw.
        candidates: How candidate graphs are built, as the model was or will be trained with.
        seed: Chooses sizes and spots.
        count: Number of minisets, if not the recipe's.
        cache: Folder for finished minisets; in memory only if omitted.
    """
    transform = Compose([GeometricTargets(), candidates])
    return MinisetDataset(slides, recipe.minisets, pre_transform=transform, seed=seed, count=count, cache=cache)

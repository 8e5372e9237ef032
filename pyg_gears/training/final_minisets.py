"""The minisets of the last epochs: of all slides, the held-out ones included."""

from __future__ import annotations

from collections.abc import Sequence

from pyg_gears.data import EmbeddedSlide, MinisetDataset
from pyg_gears.data.joined_minisets import JoinedMinisets
from pyg_gears.seeds import child_seed
from pyg_gears.training.minisets import recipe_minisets
from pyg_gears.training.preparation import Prepared
from pyg_gears.training.recipe import Recipe
from pyg_gears.typing import FilePath


def final_minisets(
    recipe: Recipe, prepared: Prepared, embedded: Sequence[EmbeddedSlide], *, cache: FilePath | None = None
) -> JoinedMinisets | MinisetDataset:
    """As many minisets as training had, from all slides in equal parts.

    Where whole slides are held out, minisets of the training slides are those that training has built, and of the held-out
    slides those that validated come first: only the rest is new. Where a block of each slide is held out all are drawn anew,
    from whole slides.

    Args:
        recipe: The recipe.
        prepared: Minisets of both sides of the split.
        embedded: All slides, whole.
        cache: Folder for finished minisets; in memory only if omitted.
    """
    views = recipe.views
    if prepared.blocks:
        seed = child_seed(recipe.training.seed, "final minisets")
        return recipe_minisets(embedded, recipe, prepared.candidates, seed=seed, views=views, cache=cache)
    held_out, step = len(prepared.validation.slides), 1 if views is None else 2
    count = max(1, round(recipe.minisets.count // step * held_out / len(embedded))) * step
    if views is None:
        validated = prepared.validation.first(count)
    else:  # those that validate are no pairs
        seed = child_seed(recipe.training.seed, "final minisets")
        slides = prepared.validation.slides
        validated = recipe_minisets(
            slides, recipe, prepared.candidates, seed=seed, count=count, views=views, cache=cache
        )
    return JoinedMinisets([prepared.train.first(max(step, recipe.minisets.count - count)), validated])

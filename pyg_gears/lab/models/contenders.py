"""Who takes part: every kind of model that a recipe can name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from pyg_gears.errors import expect, nearest_name
from pyg_gears.training.model_recipe import ModelRecipe

BASELINE = "coordinate_mlp"
"""The model that reads no neighbour: what all others must beat."""


def contenders(names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Kinds of models, the baseline first.

    Args:
        names: Kinds to compare; all that a recipe can name if omitted. The baseline always takes part.

    Raises:
        InputError: for an unknown kind.
    """
    union, _ = get_args(ModelRecipe)
    kinds = [variant.model_fields["kind"].default for variant in get_args(union)]
    names = kinds if names is None else list(names)
    for name in names:
        expect(
            name in kinds,
            f"expected --models among {', '.join(kinds)}, found {name!r}{nearest_name(name, kinds)}; name kinds of models.",
        )
    return (BASELINE, *(name for name in dict.fromkeys(names) if name != BASELINE))

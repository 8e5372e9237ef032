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
    names = _kinds() if names is None else list(names)
    for name in names:
        _check_kind(name, "--models")
    return (BASELINE, *(name for name in dict.fromkeys(names) if name != BASELINE))


def combinations(texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Models that vote together, from texts such as ``"ipa_lite+distance_egnn"``; kinds in the order of their names.

    Args:
        texts: One text a combination.

    Raises:
        InputError: for an unknown kind, or fewer than two different ones.
    """
    found = []
    for text in texts:
        kinds = sorted(part.strip() for part in text.split("+"))
        for kind in kinds:
            _check_kind(kind, "--together")
        expect(
            len(set(kinds)) == len(kinds) >= 2,
            f"expected --together KIND+KIND with different kinds, found {text!r}; models of one kind and seed are the same, name "
            "others.",
        )
        found.append(tuple(kinds))
    return tuple(dict.fromkeys(found))


def _kinds() -> list[str]:
    union, _ = get_args(ModelRecipe)
    return [variant.model_fields["kind"].default for variant in get_args(union)]


def _check_kind(name: str, option: str) -> None:
    kinds = _kinds()
    expect(
        name in kinds,
        f"expected {option} among {', '.join(kinds)}, found {name!r}{nearest_name(name, kinds)}; name kinds of models.",
    )

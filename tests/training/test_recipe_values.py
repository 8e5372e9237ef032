"""Every field of every section refuses what makes no sense, when it is set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest

from pyg_gears import Recipe
from pyg_gears.configuration import Configuration
from pyg_gears.errors import InputError
from pyg_gears.layout.settings import LayoutSettings


def sections(start: type[Configuration]) -> Iterator[type[Configuration]]:
    """A section and all sections that its fields may hold."""
    seen: list[type[Configuration]] = []

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, Configuration) and annotation not in seen:
            seen.append(annotation)
            for field in annotation.model_fields.values():
                walk(field.annotation)
        for part in get_args(annotation):
            walk(part)

    walk(start)
    yield from seen


def words(annotation: Any) -> bool:
    """Whether the field takes one of several words."""
    return get_origin(annotation) is Literal or any(map(words, get_args(annotation)))


FIELDS = [
    (section, name)
    for start in (Recipe, LayoutSettings)
    for section in sections(start)
    for name in section.model_fields
]
NEVER = [math.nan, math.inf, -math.inf, "nan", "inf", "abc", [[1]], [math.nan], {"no": 1}, object(), -1e9, -(10**9)]


@pytest.mark.parametrize(("section", "name"), FIELDS, ids=[f"{s.__name__}.{n}" for s, n in FIELDS])
def test_what_no_field_can_mean_is_refused(section: type[Configuration], name: str) -> None:
    annotation = section.model_fields[name].annotation
    truth = annotation is bool
    for value in [*NEVER, *([] if truth else [True, False, [True]])]:
        with pytest.raises(InputError, match=r"expected .*[;,] "):
            section(**{name: value})
    if words(annotation):
        with pytest.raises(InputError, match="found"):
            section(**{name: "nonesuch"})


def test_the_walk_reaches_every_section() -> None:
    assert len(FIELDS) > 150
    assert {"Recipe", "LayoutSettings", "DistillRecipe", "GateFormerRecipe", "PublishedEmbedding", "GenesFront"} <= {
        section.__name__ for section, _ in FIELDS
    }

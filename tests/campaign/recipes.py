"""Random edits of recipes: accepted whole, or refused in one sentence."""

from __future__ import annotations

import math
import random
from typing import Any

from pyg_gears import Recipe
from pyg_gears.configuration import Configuration, parse_assignments
from pyg_gears.errors import InputError
from pyg_gears.layout.settings import LayoutSettings
from pyg_gears.training.build_model import build_model

KIND = "recipes"

ODD: list[Any] = [
    *(math.nan, math.inf, -math.inf, -1, -0.5, 0, 1, 2, 3, 7, 0.5, 1.5, 1e-9, 1e9, 10**12, -(10**20)),
    *(True, False, None, "", "abc", "nan", "1e-3", "learned", "pca", "rbf", "edge", "former", "walk", b"x", object()),
    *([], [1], [True], [math.nan], [[1]], [8, 8], {}, {"kind": "nonesuch"}, {"kind": "former"}, {"weight": 1}),
]
TEXTS = [
    "=",
    "a",
    "a=",
    "training=1",
    "training.lr=",
    "training.lr=[",
    "model.gate.kind=former",
    "training.lr=1e-3",
    ".=1",
]


def plan(seed: int) -> tuple[type[Configuration], list[str], dict[str, Any]]:
    """A start, texts as on the command line, and changes."""
    chance = random.Random(seed)
    start: type[Configuration] = chance.choice([Recipe, Recipe, Recipe, LayoutSettings])
    changes: dict[str, Any] = {}
    for _ in range(chance.randint(1, 4)):
        place, section = changes, start()
        while True:
            fields = list(type(section).model_fields)
            name = "nonesuch" if chance.random() < 0.02 else chance.choice(fields)
            inner = getattr(section, name, None)
            if isinstance(inner, Configuration) and chance.random() < 0.9:
                if not isinstance(place.get(name), dict):
                    place[name] = {}
                place, section = place[name], inner
                continue
            place[name] = chance.choice(ODD) if chance.random() < 0.3 else _likely(inner, chance)
            break
    texts = [chance.choice(TEXTS)] if chance.random() < 0.1 else []
    return start, texts, changes


def _likely(value: Any, chance: random.Random) -> Any:
    """A value like the present one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice([value, 2 * value, value + 1, value // 2])
    if isinstance(value, float):
        return chance.choice([value, value / 2, min(1.0, 2 * value)])
    return value


def describe(seed: int) -> str:
    """What is tried with this seed."""
    start, texts, changes = plan(seed)
    return f"{start.__name__} with {texts} and {changes}"


def attempt(seed: int) -> str | None:
    """Change a recipe; None if it was refused in one sentence, or can be stored and makes a model, else what happened."""
    start, texts, changes = plan(seed)
    try:
        made = start().change(parse_assignments(texts)).change(changes)
    except InputError as error:
        sound = str(error).startswith("expected ") and "\n" not in str(error)
        return None if sound else f"{describe(seed)}: refused by {error}"
    except Exception as error:
        return f"{describe(seed)}: {type(error).__name__}: {error}"
    if type(made).read(made.as_dict()) != made:
        return f"{describe(seed)}: is another one after it was stored"
    if isinstance(made, Recipe) and _small(made.model):
        try:
            build_model(made, 4, seed=0)
        except InputError:
            return None
        except Exception as error:
            return f"{describe(seed)}: makes no model: {type(error).__name__}: {error}"
    return None


def _small(section: Configuration) -> bool:
    """Whether a network of these sizes fits into memory."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Configuration) and not _small(value):
            return False
        if isinstance(value, int | float) and value > 10_000:
            return False
    return True

"""Frozen dataclasses from plain mappings and ``key=value`` texts, with the nearest name for an unknown key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_type_hints

from pyg_gears.errors import InputError, expect, nearest_name

Config = TypeVar("Config")


def from_mapping(kind: type[Config], values: Mapping[str, Any], base: Config | None = None, where: str = "") -> Config:
    """Build a (nested) frozen dataclass from plain values; what is not named keeps the value of ``base``.

    Args:
        kind: The dataclass.
        values: Field names to plain values, sections to mappings.
        base: Where unnamed fields come from; the class' defaults if omitted.
        where: Section the values stand in, for messages.

    Raises:
        InputError: for an unknown key, a value of another type, or a value that the dataclass refuses.
    """
    expect(
        isinstance(values, Mapping),
        f"expected a mapping of fields for {where or 'the recipe'}, found {values!r}; write one 'key: value' a line.",
    )
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    start = kind() if base is None else base
    changes = {}
    for key, value in values.items():
        name = f"{where}.{key}" if where else str(key)
        expect(
            key in known,
            f"expected a recipe key, found {name!r}{nearest_name(str(key), known)}; "
            f"{where or 'the recipe'} has {', '.join(known)}.",
        )
        old = getattr(start, key)
        if dataclasses.is_dataclass(old) and not isinstance(old, type):
            changes[key] = from_mapping(type(old), value, old, name)
        else:
            changes[key] = _typed(value, old, hints[key], name)
    return dataclasses.replace(start, **changes)  # type: ignore[type-var]


def to_mapping(config: Any) -> dict[str, Any]:
    """Plain nested values of a dataclass, as JSON and YAML can hold them; inverse of :func:`from_mapping`."""
    return {
        field.name: to_mapping(value) if dataclasses.is_dataclass(value) else _plain(value)
        for field in dataclasses.fields(config)
        for value in [getattr(config, field.name)]
    }


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Turn ``["loss.gate=0.1"]`` into ``{"loss": {"gate": 0.1}}``; values are read as YAML.

    Raises:
        InputError: for a text without ``=``.
    """
    import yaml

    result: dict[str, Any] = {}
    for text in assignments:
        path, sign, value = text.partition("=")
        expect(
            sign == "=" and path != "",
            f"expected --set key=value, found {text!r}; write for example --set training.epochs=20.",
        )
        *sections, last = path.strip().split(".")
        place = result
        for section in sections:
            place = place.setdefault(section, {})
            expect(
                isinstance(place, dict),
                f"expected a section before the last dot, found {path!r}; set either the section or its field.",
            )
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"expected a plain value, found {text!r}; quote it.") from None
    return result


def _typed(value: Any, old: Any, hint: Any, name: str) -> Any:
    """Accept an int for a float and lists for tuples; refuse the rest."""
    if isinstance(old, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(old, float) and isinstance(value, str):
        try:  # YAML reads 1e-3 as a text
            return float(value)
        except ValueError:
            pass
    if isinstance(old, tuple) and isinstance(value, (list, tuple)):
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    optional = "None" in str(hint)
    right = (optional and value is None) or (type(value) is type(old)) or (optional and old is None)
    expect(right, f"expected {name} like {old!r}, found {value!r}; give a value of that type.")
    return value


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def check_choice(name: str, value: str, options: Sequence[str]) -> None:
    """Raise an InputError that names the options unless the value is one of them."""
    expect(
        value in options,
        f"expected {name} among {', '.join(options)}, found {value!r}{nearest_name(value, options)}; name one.",
    )


def check_range(name: str, value: float, low: float, high: float | None = None) -> None:
    """Raise an InputError that names the range unless the value lies in it."""
    inside = low <= value and (high is None or value <= high)
    bound = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
    expect(inside, f"expected {name} {bound}, found {value}; change the recipe.")

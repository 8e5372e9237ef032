"""The recipe, field by field: default, range and reason, from the docstrings of its sections."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from api_pages import write_if_new

from pyg_gears.configuration import Configuration
from pyg_gears.layout import LayoutSettings
from pyg_gears.training import Recipe

HEAD = """# Recipe and settings, field by field

Written from the docstrings of the package. [Choosing options](../recipe.md) ranks the fields by what was measured. A field is
set with `--set SECTION.FIELD=VALUE`, in a YAML file given to `--config`, or with `Recipe.preset("quick").change({...})`.
A section that has a `kind` comes in variants, each with fields of its own; `null` leaves an optional section out.

Sources are quoted as "published": figures of the method's own publications, not measured here.
"""


def write_recipe_fields(file: Path) -> None:
    """Write the page."""
    parts = [HEAD]
    for name, field in Recipe.model_fields.items():
        parts += sections(name, field.annotation, field.get_default(), level=2)
    parts += [
        "## Settings of a layout",
        "",
        f"`pyg-gears reconstruct --set FIELD=VALUE`. {first_line(LayoutSettings)}",
        "",
    ]
    parts += table("", LayoutSettings, LayoutSettings())
    write_if_new(file, "\n".join(parts) + "\n")


def sections(path: str, annotation: Any, default: Any, level: int) -> list[str]:
    """Every section that a field can hold, each with the sections inside it."""
    lines: list[str] = []
    variants = sections_in(annotation)
    for section in variants:
        kind = section.model_fields.get("kind")
        name = f"`{path}`" + (f" of kind `{kind.get_default()}`" if kind is not None else "")
        chosen = " (the default)" if len(variants) > 1 and type(default) is section else ""
        start = default if type(default) is section else section()
        lines += [f"{'#' * level} {name}{chosen}", "", one_line(section.__doc__), "", *table(path, section, start)]
        for inner, field in section.model_fields.items():
            lines += sections(f"{path}.{inner}", field.annotation, getattr(start, inner), min(level + 1, 4))
    return lines


def table(path: str, section: type[Configuration], default: Configuration) -> list[str]:
    """The plain fields of a section, one a row."""
    prefix = f"{path}." if path else ""
    rows = []
    for name, field in section.model_fields.items():
        if name == "kind":
            continue
        inner = sections_in(field.annotation)
        value = getattr(default, name)
        if inner:
            shown, values = (
                ("null" if value is None else "a section, below"),
                "section" + (" or null" if type(None) in get_args(field.annotation) else ""),
            )
        else:
            shown, values = plain(value), allowed(field)
        rows.append(f"| `{prefix}{name}` | {shown} | {values} | {one_line(field.description)} |")
    return ["| field | default | values | meaning |", "|---|---|---|---|", *rows, ""] if rows else []


def sections_in(annotation: Any) -> list[type[Configuration]]:
    """The sections among the types that a field takes."""
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return [section for part in get_args(annotation) for section in sections_in(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, Configuration) else []


def allowed(field: Any) -> str:
    """The type of a field and the limits of its value."""
    limits = [str(limit) for part in field.metadata for limit in bounds(part)]
    return ", ".join([type_name(field.annotation), *limits])


def bounds(part: Any) -> list[str]:
    """Limits that one piece of metadata states."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    nested = [limit for inner in getattr(part, "metadata", ()) for limit in bounds(inner)]
    own = [f"{sign} {getattr(part, key)}" for key, sign in signs.items() if getattr(part, key, None) is not None]
    return own + nested


def type_name(annotation: Any) -> str:
    """A type in words."""
    if get_origin(annotation) is Literal:
        return " \\| ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) is Annotated:
        base, *rest = get_args(annotation)
        return ", ".join([type_name(base), *(limit for part in rest for limit in bounds(part))])
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(type_name(part) for part in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {type_name(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        return f"{type_name(get_args(annotation)[1])} by name"
    if annotation is type(None):
        return "null"
    return {int: "whole number", float: "number", bool: "true or false", str: "text"}.get(annotation, str(annotation))


def plain(value: Any) -> str:
    """A default as YAML writes it."""
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    words = {None: "null", True: "true", False: "false"}
    return f"`{words[value] if value is None or isinstance(value, bool) else value}`"


def one_line(text: str | None) -> str:
    """A docstring's first paragraphs in one line, fit for a table."""
    return (
        " ".join((text or "").split())
        .replace("|", "\\|")
        .replace("``", "`")
        .replace(":class:", "")
        .replace(":mod:", "")
    )


def first_line(section: type) -> str:
    """The claim of a class."""
    return one_line((section.__doc__ or "").split("\n\n")[0])

"""Frozen, checked configuration: sections of a recipe, variants by ``kind``, one sentence for every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from pyg_gears.errors import InputError, expect, nearest_name

Values: TypeAlias = dict[str, Any]
"""Fields of a section by name; sections inside are sections or plain values."""


class Configuration(BaseModel):
    """A section of a recipe: frozen, typed, without unknown fields; a mistake is an ``InputError``.

    A field that holds one of several variants is a union of sections, told apart by their literal field ``kind``. A variant
    brings its own fields, so nothing can be set that has no effect.

    >>> class Noise(Configuration):
    ...     std: float = 0.1
    >>> Noise().change({"std": 0.2})
    Noise(std=0.2)
    """

    whole: ClassVar[str] = "the recipe"
    """What messages call the outermost section."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        allow_inf_nan=False,
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError(_sentence(type(self), error)) from None

    # Sections inside sections are then validated by the outermost one, whose message knows the whole path.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, values: Any) -> Any:
        """Pydantic would read ``true`` as 1."""
        for name, value in values.items() if isinstance(values, Mapping) else ():
            field = cls.model_fields.get(name)
            inside = value if isinstance(value, list | tuple) else [value]
            if field is not None and any(isinstance(item, bool) for item in inside) and _is_number(field.annotation):
                raise PydanticCustomError("number", "a number", {"field": name, "value": value})
        return values

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """The defaults with the named fields changed, as :meth:`change`: the inverse of :meth:`as_dict`."""
        return cls().change(values)

    def change(self, values: Mapping[str, Any]) -> Self:
        """The section with the named fields changed, for instance ``{"training": {"epochs": 20}}``.

        What is not named keeps its value. A mapping with another ``kind`` changes the variant: fields that both variants
        have keep the value that was chosen for them, the others take the new variant's defaults.

        Raises:
            InputError: for an unknown field, a value of another type, or one out of range.
        """
        expect(
            isinstance(values, Mapping),
            f"expected a mapping of fields, found {values!r}; write one 'field: value' per line.",
        )
        return type(self)(**_merged(type(self), _carried(self, type(self)), values))

    def as_dict(self) -> dict[str, Any]:
        """Plain nested values, as JSON and YAML can hold them; :meth:`read` is the inverse."""
        return self.model_dump(mode="json")


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Turn ``["loss.repulsion=0.1"]`` into ``{"loss": {"repulsion": 0.1}}``; values are read as YAML.

    Of a field that is named twice the last value counts.

    Raises:
        InputError: for a text without ``=``, or a section that would replace its field, or be replaced by it.
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
        expect(
            not isinstance(place.get(last), dict),
            f"expected {path!r} before its fields, found some of them set already; set either the section or its field.",
        )
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"expected a plain value, found {text!r}; quote it.") from None
    return result


def _merged(section: type[Configuration], values: Values, changes: Mapping[str, Any]) -> Values:
    """The plain values of a section after a change, not yet checked."""
    result = dict(values)
    for name, change in changes.items():
        old = result.get(name)
        target = _target(section, name, old, change)
        result[name] = change if target is None else _merged(target, _carried(old, target), change)
    return result


def _target(section: type[Configuration], name: str, old: Any, change: Any) -> type[Configuration] | None:
    """The section that a change of a field leads to; None where the field holds none, or the change names no known one."""
    variants = _sections(section, name)
    if not isinstance(change, Mapping) or not variants:
        return None
    if "kind" in change:
        return next((variant for variant in variants if _kind(variant) == change["kind"]), None)
    if isinstance(old, Configuration):
        return type(old)
    return variants[0] if len(variants) == 1 else None


def _carried(old: Any, target: type[Configuration]) -> Values:
    """The values of a section, or those that another variant starts from: its defaults, and what was chosen before."""
    if type(old) is target:
        return {name: getattr(old, name) for name in target.model_fields}
    result: Values = {name: field.get_default() for name, field in target.model_fields.items()}
    if isinstance(old, Configuration):
        default = type(old)()
        for name in set(result) & set(type(old).model_fields) - {"kind"}:
            chosen = getattr(old, name)
            if chosen != getattr(default, name):
                result[name] = _fitting(chosen, result[name], _sections(target, name))
    return result


def _fitting(chosen: Any, default: Any, variants: list[type[Configuration]]) -> Any:
    """A value carried to another variant; a section that it does not have gives what both sections have."""
    if not isinstance(chosen, Configuration) or type(chosen) in variants or not variants:
        return chosen
    target = type(default) if isinstance(default, Configuration) else variants[0]
    return _carried(chosen, target)


def _is_number(annotation: Any) -> bool:
    """Whether a field holds numbers, several of them, or numbers and None, but no truth value."""

    def leaves(part: Any) -> Iterator[Any]:
        if get_origin(part) is Annotated:
            yield from leaves(get_args(part)[0])
        elif get_args(part) and get_origin(part) is not Literal:
            for inner in get_args(part):
                yield from leaves(inner)
        else:
            yield part

    parts = list(leaves(annotation))
    return bool not in parts and (int in parts or float in parts)


def _sections(section: type[BaseModel], name: str) -> list[type[Configuration]]:
    """The sections that a field may hold."""

    def walk(annotation: Any) -> Iterator[type[Configuration]]:
        if isinstance(annotation, type) and issubclass(annotation, Configuration):
            yield annotation
        for part in get_args(annotation):
            yield from walk(part)

    field = section.model_fields.get(name)
    return [] if field is None else list(walk(field.annotation))


def _kind(section: type[BaseModel]) -> str | None:
    field = section.model_fields.get("kind")
    return None if field is None else str(field.default)


def _sentence(section: type[Configuration], error: ValidationError) -> str:
    """The first mistake as expected, found, remedy."""
    whole = section.whole
    first = error.errors(include_url=False)[0]
    path, inside, siblings = _place(section, first["loc"])
    name, found, kind, context = ".".join(path), first["input"], first["type"], first.get("ctx", {})
    if kind == "number":
        name = ".".join([*path, context["field"]])
        return f"expected {name} to be a number, found {context['value']}; change the value."
    if kind == "value_error":
        return str(context["error"])
    if kind == "extra_forbidden":
        where, known = ".".join(path[:-1]), list(inside.model_fields)
        owner = f"{where or whole}{f' of kind {_kind(inside)}' if _kind(inside) else ''}"
        others = [str(_kind(variant)) for variant in siblings if path[-1] in variant.model_fields]
        remedy = f"kind {' or '.join(others)} has it" if others else f"{owner} has {', '.join(known)}"
        hint = "" if others else nearest_name(path[-1], known)
        return f"expected a field of {owner}, found {name!r}{hint}; {remedy}."
    if kind == "union_tag_invalid":
        options = [part.strip(" '") for part in str(context["expected_tags"]).split(",")]
        tag = str(context["tag"])
        return f"expected {name}.kind among {', '.join(options)}, found {tag!r}{nearest_name(tag, options)}; name one."
    if kind == "union_tag_not_found":
        options = [str(_kind(variant)) for variant in _sections(inside, path[-1])]
        return f"expected {name}.kind among {', '.join(options)}, found none; name one."
    if kind == "literal_error":
        options = [part.strip(" '") for part in str(context["expected"]).replace(" or ", ", ").split(",")]
        return (
            f"expected {name} among {', '.join(options)}, found {found!r}{nearest_name(str(found), options)}; name one."
        )
    bounds = {
        "greater_than": "above {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than": "below {lt}",
        "less_than_equal": "at most {le}",
    }
    if kind in bounds:
        limit = {key: f"{value:g}" for key, value in context.items()}
        return f"expected {name} {bounds[kind].format(**limit)}, found {found!r}; change the value."
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"expected a mapping of fields for {name or whole}, found {found!r}; write one 'field: value' per line."
    message = str(first["msg"]).removeprefix("Input should be ").split(",")[0]
    return f"expected {name} to be {message}, found {found!r}; change the value."


def _place(
    section: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[list[str], type[BaseModel], list[type[Configuration]]]:
    """Where a mistake lies: its path as the user writes it (variants leave their tag), its section, that section's siblings."""
    path: list[str] = []
    inside, siblings, below = section, list[type[Configuration]](), list[type[Configuration]]()
    for part in location:
        if below:
            chosen = next((variant for variant in below if _kind(variant) == part), None)
            inside, siblings, below = chosen or below[0], below, []
            if chosen is not None:
                continue
        path.append(str(part))
        below = _sections(inside, str(part))
    return path, inside, siblings

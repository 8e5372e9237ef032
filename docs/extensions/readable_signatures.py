"""Signatures as they stand in the source: shapes as written, without module paths."""

from __future__ import annotations

import inspect
import re
from typing import Any

MODULES = re.compile(r"\b(?:np|numpy|torch|typing|collections\.abc)\.(?=[A-Za-z_])")


def readable_signature(
    app: Any, what: str, name: str, value: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """Signature from the annotations' text; evaluated ones would show jaxtyping's classes in place of ``Float[Tensor, "n c"]``.

    Returns:
        Arguments and return annotation, or None to let autodoc decide.
    """
    if what not in ("class", "function", "method") or signature is None:
        return None
    call = value.__init__ if what == "class" and inspect.isfunction(value.__init__) else value
    call = inspect.unwrap(call.__func__ if isinstance(call, staticmethod | classmethod) else call)
    if not inspect.isfunction(call):
        return None
    found = inspect.signature(call, eval_str=False)
    parameters = list(found.parameters.values())
    if parameters and parameters[0].name in ("self", "cls", "_cls"):
        parameters = parameters[1:]
    parameters = [parameter for parameter in parameters if not parameter.name.startswith("_")]
    shown = [parameter if isinstance(parameter, str) else as_text(parameter) for parameter in _with_markers(parameters)]
    result = found.return_annotation
    answer = None if what == "class" or result is inspect.Signature.empty else shorter(str(result))
    return f"({', '.join(shown)})", answer


def as_text(parameter: inspect.Parameter) -> str:
    """A parameter with its annotation and default."""
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = stars + parameter.name
    if parameter.annotation is not parameter.empty:
        text += f": {shorter(str(parameter.annotation))}"
    if parameter.default is not parameter.empty:
        text += f" = {parameter.default!r}"
    return text


def shorter(text: str) -> str:
    """An annotation without module paths."""
    return MODULES.sub("", text)


def _with_markers(parameters: list[inspect.Parameter]) -> list[inspect.Parameter | str]:
    """Parameters with the bare ``*`` that stands before keyword-only ones."""
    shown: list[inspect.Parameter | str] = []
    kinds = inspect.Parameter
    starred = any(parameter.kind is kinds.VAR_POSITIONAL for parameter in parameters)
    for parameter in parameters:
        if parameter.kind is kinds.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        shown.append(parameter)
    return shown


def named_bases(app: Any, name: str, value: Any, options: Any, bases: list[Any]) -> None:
    """Leave out the base that every class has."""
    bases[:] = [base for base in bases if base is not object]


def without_aliases(app: Any, what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Leave out fields of named tuples that have no description of their own: the class describes them."""
    return True if (getattr(value, "__doc__", None) or "").startswith("Alias for field number") else None

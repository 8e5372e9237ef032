"""One-sentence errors for what a user can get wrong: expected, found, remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """The input is not what the call needs; the message names what was expected, what was found and the remedy."""


def expect(condition: bool, message: str) -> None:
    """Raise ``InputError(message)`` unless the condition holds."""
    if not condition:
        raise InputError(message)


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The hint " (did you mean 'x'?)" with the known name that is closest to ``name``, or an empty string.

    >>> nearest_name("epoch", ["epochs", "seed"])
    " (did you mean 'epochs'?)"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""

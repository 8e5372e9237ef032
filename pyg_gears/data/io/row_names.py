"""Names of rows as text, from whatever an index holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def names_of_rows(index: Iterable[Any]) -> tuple[str, ...]:
    """The names as text; bytes are decoded."""
    return tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in index)

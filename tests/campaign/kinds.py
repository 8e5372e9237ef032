"""The kinds of attempts: one module of this folder each."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast


class Kind(Protocol):
    """What a module of this folder offers.

    ``attempt(seed)`` makes one case from the seed, runs it, and returns None where the package held: the right result,
    or an InputError. Otherwise it returns one paragraph on what went wrong. ``describe(seed)`` says what the case is.
    """

    KIND: str

    def attempt(self, seed: int) -> str | None: ...

    def describe(self, seed: int) -> str: ...


def names() -> list[str]:
    """Names of all kinds: the modules that say which kind they are."""
    folder = Path(__file__).parent
    return sorted(path.stem for path in folder.glob("*.py") if "\nKIND" in path.read_text(encoding="utf-8"))


def kind(name: str) -> Kind:
    """The kind of this name."""
    return cast("Kind", importlib.import_module(f"tests.campaign.{name}"))

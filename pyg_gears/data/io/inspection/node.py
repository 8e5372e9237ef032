"""``Node``: one element of a file, an array or a group, as the rules see it in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np


class Unfit(Exception):
    """What is wrong with a file, and what to do about it where that differs from writing it anew."""

    def __init__(self, found: str, remedy: str | None = None) -> None:
        super().__init__(found)
        self.found, self.remedy = found, remedy


@dataclass
class Node:
    """An element of a file.

    Attributes:
        path: Where it lies in the file, ``"obs/sample"``.
        attrs: Its attributes, decoded.
        children: Elements of a group; ``None`` for an array.
        shape: Shape of an array.
        kind: What an array holds: NumPy's letter for numbers, ``"T"`` for text, ``"V"`` for records, ``"N"`` for nothing.
        slabs: The values in pieces along the first axis; text comes as it is stored, bytes or str.
    """

    path: str
    attrs: dict[str, Any]
    children: dict[str, Node] | None = None
    shape: tuple[int, ...] = ()
    kind: str = "N"
    slabs: Callable[[], Iterator[np.ndarray]] = lambda: iter(())

    @property
    def called(self) -> str:
        """The path for a message: one line, not long."""
        return printable(self.path or "the root")

    def array(self, name: str) -> Node:
        """A child that is an array.

        Raises:
            Unfit: when it is missing or a group.
        """
        found = (self.children or {}).get(name)
        if found is None or found.children is not None:
            raise Unfit(f"{self.called} has no array {printable(name)}")
        return found

    def values(self) -> np.ndarray:
        """All values of a small array."""
        return np.concatenate([np.atleast_1d(slab) for slab in self.slabs()] or [np.empty(0)])

    def visit(self) -> None:
        """Read every value once: damaged chunks, text that is not UTF-8 and truth values other than 0 and 1 are found."""
        for child in (self.children or {}).values():
            child.visit()
        for slab in self.slabs() if self.children is None else ():
            check_values(self, slab)


def check_values(node: Node, slab: np.ndarray) -> None:
    """Check text for UTF-8 and truth values for 0 and 1.

    Raises:
        Unfit: when they are not.
    """
    if node.kind == "T":
        values = slab.ravel().tolist()
        try:
            text = b"\n".join(value for value in values if isinstance(value, bytes)).decode()
        except UnicodeDecodeError:
            raise Unfit(f"text in {node.called} is not UTF-8") from None
        if "\0" in text or any("\0" in value for value in values if isinstance(value, str)):
            raise Unfit(f"text in {node.called} has null characters, which cannot be written again")
    if node.kind == "b" and slab.size and np.asarray(slab).view(np.uint8).max() > 1:
        raise Unfit(f"truth values in {node.called} are neither 0 nor 1")


def printable(text: str) -> str:
    """A name from a file that may hold anything, on one line and not long."""
    plain = text.encode("unicode_escape", "surrogatepass").decode("ascii")
    return plain if len(plain) <= 80 else plain[:77] + "..."

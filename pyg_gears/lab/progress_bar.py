"""The bar of a long study: in a terminal, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(items: Iterable[Any] | None = None, *, shown: bool = True, **options: Any) -> tqdm[Any]:
    """A bar on stderr, where that is a terminal.

    Args:
        items: What to iterate over; the caller moves the bar if omitted.
        shown: False draws none in a terminal either.
        options: Further arguments of tqdm, such as ``total``, ``unit`` and ``desc``.
    """
    return tqdm(items, disable=None if shown else True, **options)

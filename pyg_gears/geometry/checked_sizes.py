"""The door for sizes: numbers of channels, heads, neighbours and the like."""

from __future__ import annotations

import operator
from typing import Any

from pyg_gears.errors import InputError


def check_sizes(**sizes: Any) -> None:
    """Check that sizes are whole numbers above 0.

    Args:
        sizes: The sizes, by the names of their arguments.

    Raises:
        InputError: for another number, a truth value, or anything else; so for -1, which PyG's lazy layers take.

    >>> check_sizes(channels=16, heads=4)
    """
    for name, found in sizes.items():
        try:
            good = not isinstance(found, bool) and operator.index(found) >= 1
        except TypeError:
            good = False
        if not good:
            lazy = name.endswith("channels") and isinstance(found, int) and found == -1
            raise InputError(
                f"expected {name} to be a whole number above 0, found {found!r}; give "
                f"{'their number, which is not taken from the first input' if lazy else 'one'}."
            )

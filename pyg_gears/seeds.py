"""Independent seeds and random streams by name, all from one seed: ``child_seed(0, "member", 1)``.

Sums such as ``seed + 1000 * part`` collide: part 1 of seed 0 is part 0 of seed 1000. Source: ``numpy.random.SeedSequence``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_gears.errors import expect

if TYPE_CHECKING:
    import torch


def check_seed(seed: Any) -> None:
    """Check that a seed makes the same numbers every time: NumPy takes None too, and draws anew.

    Raises:
        InputError: for anything but a whole number of at least 0.

    >>> check_seed(0)
    """
    expect(
        isinstance(seed, int | np.integer) and bool(seed >= 0),
        f"expected a seed of a whole number of at least 0, found {seed!r}; give another.",
    )


def child_seed(seed: int, *key: str | int) -> int:
    """A seed for the part of the work that ``key`` names, independent of the seeds of all other parts.

    Args:
        seed: Seed of the whole, at least 0.
        key: Words and numbers (at least 0) that name the part.

    Returns:
        A number below 2**63, as torch's and NumPy's generators take it.

    Raises:
        InputError: as :func:`check_seed`.

    >>> child_seed(0, "member", 1) == child_seed(1000, "member", 0)
    False
    """
    return int(_sequence(seed, key).generate_state(1, np.uint64)[0]) >> 1


def random_stream(seed: int, *key: str | int) -> np.random.Generator:
    """NumPy's generator for the part of the work that ``key`` names; arguments as :func:`child_seed`."""
    return np.random.default_rng(_sequence(seed, key))


def torch_stream(seed: int, *key: str | int) -> torch.Generator:
    """PyTorch's generator for the part of the work that ``key`` names, on the CPU; arguments as :func:`child_seed`."""
    import torch

    return torch.Generator().manual_seed(child_seed(seed, *key))


def _sequence(seed: int, key: tuple[str | int, ...]) -> np.random.SeedSequence:
    check_seed(seed)
    spawn = tuple(int.from_bytes(part.encode()) if isinstance(part, str) else part for part in key)
    return np.random.SeedSequence(seed, spawn_key=spawn)

"""Independent seeds from one: ``child_seed(0, "member", 1)``."""

from __future__ import annotations

import zlib

import numpy as np


def child_seed(seed: int, *key: str | int) -> int:
    """A seed for the part of the work that ``key`` names, independent of the seeds of all other parts.

    Sums such as ``seed + 1000 * part`` collide: part 1 of seed 0 is part 0 of seed 1000.

    Args:
        seed: Seed of the whole, at least 0.
        key: Words and numbers (at least 0) that name the part.

    Returns:
        A number below 2**63, as torch's and NumPy's generators take it.

    Source: ``numpy.random.SeedSequence``; words enter by their CRC-32.

    >>> child_seed(0, "member", 1) == child_seed(1000, "member", 0)
    False
    """
    spawn = tuple(zlib.crc32(part.encode()) if isinstance(part, str) else part for part in key)
    return int(np.random.SeedSequence(seed, spawn_key=spawn).generate_state(1, np.uint64)[0] >> 1)

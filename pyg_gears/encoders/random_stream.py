"""Independent random streams by name, all from one seed: no two uses of a seed ever share their numbers."""

from __future__ import annotations

import numpy as np
import torch


def random_stream(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """NumPy's generator for one use of a seed.

    Args:
        seed: The seed, at least 0.
        name: What the numbers are for.
        numbers: Which of several such uses, at least 0 each (a step, a repeat).

    >>> bool(random_stream(0, "folds").random() == random_stream(0, "cells").random())
    False
    """
    return np.random.default_rng(_sequence(seed, name, numbers))


def torch_stream(seed: int, name: str, *numbers: int) -> torch.Generator:
    """PyTorch's generator for one use of a seed, on the CPU; arguments as :func:`random_stream`."""
    state = _sequence(seed, name, numbers).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0]))


def _sequence(seed: int, name: str, numbers: tuple[int, ...]) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(int.from_bytes(name.encode()), *numbers))

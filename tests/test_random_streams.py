from __future__ import annotations

import itertools

import numpy as np
import torch

from pyg_gears.seeds import random_stream, torch_stream


def test_streams_repeat_and_never_collide() -> None:
    """Neighbouring seeds, names and numbers, which additive seeds would confuse."""
    uses = [
        *itertools.product((0, 1, 1000), ("a", "b", "ab"), [()]),
        *((seed, "a", (step,)) for seed in (0, 1) for step in (0, 1, 2, 1000)),
        *((0, "a", pair) for pair in ((0, 0), (0, 1), (1, 0))),
    ]
    for draw in (
        lambda seed, name, numbers: random_stream(seed, name, *numbers).integers(2**62),
        lambda seed, name, numbers: torch.randint(2**62, (1,), generator=torch_stream(seed, name, *numbers)).item(),
    ):
        found = [int(draw(*use)) for use in uses]
        assert len(set(found)) == len(uses)
        assert found == [int(draw(*use)) for use in uses]


def test_global_states_are_left_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    random_stream(0, "x").random()
    torch.rand(2, generator=torch_stream(0, "x"))
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002

from __future__ import annotations

import re

import pytest

from pyg_gears.errors import InputError
from pyg_gears.seeds import check_seed, child_seed, random_stream, torch_stream


def test_seeds_of_parts_never_collide() -> None:
    seeds = [
        child_seed(seed, part, number) for seed in range(40) for part in ("member", "order") for number in range(40)
    ]
    seeds += [child_seed(seed) for seed in range(40)] + [child_seed(seed, "member") for seed in range(40)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_key_gives_the_same_seed() -> None:
    assert child_seed(3, "member", 1) == child_seed(3, "member", 1)


@pytest.mark.parametrize("seed", [-1, 1.0, None, "0", [1, 2]])
def test_what_is_no_seed_is_one_sentence(seed) -> None:
    with pytest.raises(
        InputError, match=f"a seed of a whole number of at least 0, found {re.escape(repr(seed))}; give"
    ):
        check_seed(seed)


def test_no_stream_starts_from_another_seed() -> None:
    for call in (child_seed, random_stream, torch_stream):
        with pytest.raises(InputError, match="expected a seed of a whole number of at least 0, found -1; give another"):
            call(-1, "part")

from __future__ import annotations

from pyg_gears.seeds import child_seed


def test_seeds_of_parts_never_collide() -> None:
    seeds = [
        child_seed(seed, part, number) for seed in range(40) for part in ("member", "order") for number in range(40)
    ]
    seeds += [child_seed(seed) for seed in range(40)] + [child_seed(seed, "member") for seed in range(40)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_key_gives_the_same_seed() -> None:
    assert child_seed(3, "member", 1) == child_seed(3, "member", 1)

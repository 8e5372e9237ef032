from __future__ import annotations

from dataclasses import replace

import numpy as np

from pyg_gears.data import Slide
from pyg_gears.data.same_spots import same_spots


def slide(seed: int, name: str = "a", spots: int = 300, mean: float = 3.0) -> Slide:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(mean, (spots, 20)).astype(np.float32)
    return Slide(name, counts, [f"g{i}" for i in range(20)], [f"s{i}" for i in range(spots)], rng.random((spots, 2)))


def test_a_part_of_the_spots_and_of_the_genes_is_the_same() -> None:
    whole = slide(0)
    part = whole.select(np.arange(0, 300, 3)).subset_genes([f"g{i}" for i in range(15, 4, -1)])
    assert same_spots(whole, part)
    assert same_spots(part, replace(whole, name="b"))
    mixed = slide(1).counts.toarray()
    mixed[::3] = whole.counts.toarray()[::3]
    assert not same_spots(whole, replace(whole, counts=mixed))  # a third
    assert not same_spots(whole.select(np.arange(180)), whole.select(np.arange(120, 300)))


def test_spots_with_the_same_names_alone_differ() -> None:
    assert not same_spots(slide(0), slide(1))
    assert not same_spots(slide(0, mean=0.001), slide(1, mean=0.001))  # empty ones agree in nothing
    one = slide(0)
    assert not same_spots(one, replace(one, cells=tuple(f"t{i}" for i in range(300))))
    assert not same_spots(one, replace(one, genes=tuple(f"h{i}" for i in range(20))))

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from pyg_gears.data import Slide, spatial_block, split_slides
from pyg_gears.errors import InputError


def section(name: str, n: int, seed: int = 0) -> Slide:
    generator = np.random.default_rng(seed)
    counts = csr_array(generator.poisson(1.0, (n, 3)).astype(np.float32))
    return Slide(name, counts, ("a", "b", "c"), tuple(f"s{i}" for i in range(n)), generator.random((n, 2)))


@given(n=st.integers(2, 200), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 50))
@settings(max_examples=50, deadline=None)
def test_block_has_the_share_and_is_a_disc(n: int, fraction: float, seed: int) -> None:
    pos = np.random.default_rng(seed).random((n, 2))
    inside = spatial_block(pos, fraction, seed)
    assert inside.sum() == min(max(round(fraction * n), 1), n - 1)
    # Some spot of the block is nearer to all of the block than to anything outside.
    distance = cdist(pos[inside], pos)
    assert (distance[:, inside].max(axis=1) <= distance[:, ~inside].min(axis=1)).any()


def test_block_is_contiguous_and_seeded() -> None:
    grid = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).reshape(-1, 2)
    blocks = [spatial_block(grid, 0.2, seed) for seed in (0, 0, 1)]
    assert np.array_equal(blocks[0], blocks[1])
    assert not np.array_equal(blocks[0], blocks[2])
    for seed in range(10):
        inside = grid[spatial_block(grid, 0.2, seed)]
        parts, _ = connected_components(cdist(inside, inside) < 1.5)
        assert parts == 1


def test_a_named_slide_is_held_out_and_numbers_stay() -> None:
    split = split_slides([section(name, 40) for name in "abc"], "b")
    assert [(part.slide.name, part.slide_id) for part in split.train] == [("a", 0), ("c", 2)]
    assert [(part.slide.name, part.slide_id) for part in split.held_out] == [("b", 1)]
    assert not split.blocks
    assert all(part.inside.all() and part.spots is part.slide for part in (*split.train, *split.held_out))


def test_blocks_share_no_spot_and_leave_none_out() -> None:
    slides = [section("a", 200), section("b", 200, 1), section("c", 30)]
    split = split_slides(slides, fraction=0.2, seed=3)
    assert split.blocks
    for one, other, slide in zip(split.train, split.held_out, slides, strict=True):
        assert np.array_equal(one.inside, ~other.inside)
        assert set(one.spots.cells) | set(other.spots.cells) == set(slide.cells)
        assert one.slide_id == other.slide_id
    assert [int(part.inside.sum()) for part in split.held_out] == [40, 40, 15]  # 16 would be more than half


def test_bad_splits() -> None:
    slides = [section("Hippo1", 40), section("Hippo2", 40)]
    with pytest.raises(InputError, match=r"found 'Hipo2' .did you mean 'Hippo2'"):
        split_slides(slides, "Hipo2")
    with pytest.raises(InputError, match="slide other than 'Hippo1' to train on, found none"):
        split_slides(slides[:1], "Hippo1")
    with pytest.raises(InputError, match=r"at most 0.5, found 0.7"):
        split_slides(slides, fraction=0.7)
    with pytest.raises(InputError, match=r"between 0 and 1, found 1.0"):
        spatial_block(slides[0].pos, 1.0, 0)

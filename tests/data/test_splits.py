from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from pyg_gears.data import EmbeddedSlide, spatial_block, split_slides
from pyg_gears.errors import InputError


def embedded(name: str, n: int, seed: int = 0) -> EmbeddedSlide:
    generator = torch.Generator().manual_seed(seed)
    return EmbeddedSlide(name, torch.randn(n, 3, generator=generator), torch.rand(n, 2, generator=generator))


@given(n=st.integers(2, 200), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 50))
@settings(max_examples=50, deadline=None)
def test_block_has_the_share_and_is_a_disc(n: int, fraction: float, seed: int) -> None:
    pos = embedded("a", n, seed).pos
    inside = spatial_block(pos, fraction, seed)
    assert int(inside.sum()) == min(max(round(fraction * n), 1), n - 1)
    # Some spot of the block is nearer to all of the block than to anything outside.
    distance = torch.cdist(pos[inside].double(), pos.double())
    assert (distance[:, inside].amax(dim=1) <= distance[:, ~inside].amin(dim=1)).any()


def test_block_is_contiguous_and_seeded() -> None:
    grid = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0))
    blocks = [spatial_block(grid, 0.2, seed) for seed in (0, 0, 1)]
    assert torch.equal(blocks[0], blocks[1])
    assert not torch.equal(blocks[0], blocks[2])
    for seed in range(10):
        inside = grid[spatial_block(grid, 0.2, seed)]
        parts, _ = connected_components((torch.cdist(inside, inside) < 1.5).numpy())
        assert parts == 1


def test_a_named_slide_is_held_out_and_numbers_stay() -> None:
    slides = [embedded(name, 40) for name in "abc"]
    train, held_out = split_slides(slides, "b")
    assert [(s.name, s.slide_id) for s in train] == [("a", 0), ("c", 2)]
    assert [(s.name, s.slide_id) for s in held_out] == [("b", 1)]
    assert all(s.allowed is None for s in (*train, *held_out))


def test_blocks_never_touch() -> None:
    usable = torch.arange(200) % 5 > 0
    slides = [embedded("a", 200), embedded("b", 200, 1)._replace(allowed=usable, slide_id=7), embedded("c", 30)]
    train, held_out = split_slides(slides, fraction=0.2, seed=3)
    for one, other in zip(train, held_out, strict=True):
        assert not (one.allowed & other.allowed).any()
    assert torch.equal(train[1].allowed | held_out[1].allowed, usable)
    assert [s.slide_id for s in held_out] == [0, 7, 2]
    assert int(held_out[0].allowed.sum()) == 40
    assert int(held_out[2].allowed.sum()) == 15  # 16 would be more than half


def test_bad_splits() -> None:
    slides = [embedded("Hippo1", 40), embedded("Hippo2", 40)]
    with pytest.raises(InputError, match=r"found 'Hipo2' .did you mean 'Hippo2'"):
        split_slides(slides, "Hipo2")
    with pytest.raises(InputError, match="slide besides 'Hippo1' to train on, found none"):
        split_slides(slides[:1], "Hippo1")
    with pytest.raises(InputError, match=r"at most 0.5, found 0.7"):
        split_slides(slides, fraction=0.7)
    with pytest.raises(InputError, match=r"between 0 and 1, found 1.0"):
        spatial_block(slides[0].pos, 1.0, 0)

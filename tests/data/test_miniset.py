from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pyg_gears.data import build_miniset, check_fields
from pyg_gears.errors import InputError
from pyg_gears.geometry import nearest_neighbors


def hexagons(rows: int) -> Tensor:
    i, j = torch.cartesian_prod(torch.arange(rows), torch.arange(rows)).double().T
    return torch.stack([i + 0.5 * (j % 2), j * 3**0.5 / 2], dim=1)


SLIDES = {
    "square": torch.cartesian_prod(torch.arange(14.0), torch.arange(14.0)).double(),
    "hexagonal": hexagons(14),
    "scattered": torch.rand(196, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
    "twins": torch.rand(98, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64).repeat(2, 1),
}


@pytest.mark.parametrize("name", SLIDES)
@given(seed=st.integers(0, 10**6), size=st.integers(20, 150), k=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_own_neighbours_begin_with_the_whole_slides(name: str, seed: int, size: int, k: int) -> None:
    """The neighbours on the slide that fell into the miniset come first, in the same order, without carrying them."""
    pos = SLIDES[name]
    index = torch.randperm(len(pos), generator=torch.Generator().manual_seed(seed))[:size]
    data = build_miniset(torch.zeros(len(pos), 1), pos, index, 0)
    on_slide = nearest_neighbors(pos, k).index
    own = nearest_neighbors(data.pos, size - 1).index
    position = torch.full((len(pos),), -1)
    position[data.node_id] = torch.arange(size)
    for row, spot in enumerate(data.node_id.tolist()):
        fell_in = position[on_slide[spot]]
        fell_in = fell_in[fell_in >= 0]
        assert torch.equal(own[row, : fell_in.numel()], fell_in)


def test_fields_and_dtypes() -> None:
    x, pos = torch.arange(10.0)[:, None], torch.rand(10, 2, dtype=torch.float64)
    data = build_miniset(x, pos, torch.tensor([7, 2, 5]), 4)
    check_fields(data, required=("x", "pos", "node_id", "slide_id"))
    assert data.node_id.tolist() == [2, 5, 7]
    assert data.x[:, 0].tolist() == [2.0, 5.0, 7.0]
    assert torch.equal(data.pos, pos[[2, 5, 7]])
    assert data.pos.dtype == torch.float64
    assert data.slide_id.tolist() == [4]


def test_a_spot_twice_is_refused() -> None:
    with pytest.raises(InputError, match="distinct spots in a miniset, found some twice"):
        build_miniset(torch.zeros(5, 1), torch.zeros(5, 2), torch.tensor([1, 1]), 0)

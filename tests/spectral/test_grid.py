from __future__ import annotations

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.spectral import grid_edges, grid_positions


@pytest.mark.parametrize("neighbors", [4, 8])
def test_edges_join_pixels_that_touch(neighbors) -> None:
    pos = grid_positions(4, 7)
    edges = grid_edges(4, 7, neighbors)
    step = (pos[:, None] - pos[None]).abs()
    near = step.sum(dim=-1) == 1 if neighbors == 4 else step.amax(dim=-1) == 1
    found = torch.zeros(28, 28, dtype=torch.bool)
    found[edges[0], edges[1]] = True
    assert torch.equal(found, near)
    assert edges.size(1) == int(near.sum())


def test_positions_follow_the_nodes() -> None:
    assert grid_positions(2, 3).tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1]]


def test_odd_grids_are_refused() -> None:
    with pytest.raises(InputError, match="expected 4 or 8 neighbours of a pixel, found 6"):
        grid_edges(3, 3, 6)
    with pytest.raises(InputError, match="expected a grid with pixels, found 0 x 3"):
        grid_edges(0, 3)

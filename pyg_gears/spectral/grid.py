"""A picture as a graph: pixels are nodes, row by row."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.errors import expect


def grid_edges(height: int, width: int, neighbors: Literal[4, 8] = 4) -> Int[Tensor, "2 e"]:
    """The edges of a pixel grid, both directions; pixel (row, column) is node ``row * width + column``.

    Args:
        height: Rows, at least 1.
        width: Columns, at least 1.
        neighbors: 4 (left, right, up, down) or 8 (with the diagonals).

    Returns:
        ``edge_index`` (2, e), int64.

    Raises:
        InputError: for another number of neighbours or an empty grid.

    >>> grid_edges(1, 3)
    tensor([[0, 1, 1, 2],
            [1, 2, 0, 1]])
    """
    expect(neighbors in (4, 8), f"expected 4 or 8 neighbours of a pixel, found {neighbors}; choose one of them.")
    expect(
        height >= 1 and width >= 1, f"expected a grid with pixels, found {height} x {width}; give it rows and columns."
    )
    node = torch.arange(height * width).reshape(height, width)
    pairs = [(node[:, :-1], node[:, 1:]), (node[:-1], node[1:])]
    if neighbors == 8:
        pairs += [(node[:-1, :-1], node[1:, 1:]), (node[:-1, 1:], node[1:, :-1])]
    first = torch.cat([a.flatten() for a, _ in pairs])
    second = torch.cat([b.flatten() for _, b in pairs])
    return torch.stack([torch.cat([first, second]), torch.cat([second, first])])


def grid_positions(height: int, width: int) -> Float[Tensor, "n 2"]:
    """Where the pixels of a grid lie: (column, row), in pixels, in the order of :func:`grid_edges`.

    Args:
        height: Rows.
        width: Columns.

    Returns:
        Positions (n, 2), float64; the second coordinate points down.
    """
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([column.flatten(), row.flatten()], dim=1).double()

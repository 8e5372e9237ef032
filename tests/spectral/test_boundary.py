from __future__ import annotations

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.spectral import boundary_mask, grid_edges


def picture() -> torch.Tensor:
    """White paper, a black stroke and a filled black square."""
    paper = torch.ones(20, 20, 3)
    paper[3:5, 2:18] = 0
    paper[9:17, 5:13] = 0
    return paper


def test_the_line_is_the_contour_and_not_the_paper() -> None:
    paper = picture()
    mask = boundary_mask(paper.reshape(-1, 3), grid_edges(20, 20)).reshape(20, 20)
    assert mask[3:5, 2:18].all()
    assert mask[9, 5:13].all()
    assert not mask[10:16, 6:12].any()
    assert not (mask & (paper[..., 0] == 1)).any()


def test_both_sides_hold_the_figure_and_one_row_around_it() -> None:
    signal, edges = picture().reshape(-1, 3), grid_edges(20, 20)
    figure, both = boundary_mask(signal, edges), boundary_mask(signal, edges, side="both")
    assert (both | figure).equal(both)
    assert both.reshape(20, 20)[2, 2:18].all()
    assert both.sum() > figure.sum()


def test_one_colour_has_no_contour() -> None:
    assert not boundary_mask(torch.ones(9, 3), grid_edges(3, 3)).any()
    assert not boundary_mask(torch.ones(9, 3), torch.empty(2, 0, dtype=torch.long)).any()


def test_odd_options_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected a threshold in \[0, 1\), found 1"):
        boundary_mask(torch.ones(9, 3), grid_edges(3, 3), threshold=1)
    with pytest.raises(InputError, match="expected the side figure or both, found 'left'"):
        boundary_mask(torch.ones(9, 3), grid_edges(3, 3), side="left")

"""Fragments, motions, rasters, buffers, thickening, colours: pure functions."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.spatial import cKDTree

from pyg_gears.errors import InputError
from pyg_gears.spectral import affinity_laplacian, grid_edges, grid_positions
from pyg_gears.transfer import (
    SparseBuffer,
    compose,
    draw_boxes,
    draw_curves,
    fragment_of,
    heat_dilation,
    match_colors,
    place,
    principal_axis,
    rasterise,
    rotate,
    scatter_across,
    translate,
)
from pyg_gears.transfer.motions import inside_shift, turn_between
from pyg_gears.transfer.units import low_gate, seeded_units, units_of

SIDE = 60
POS = grid_positions(SIDE, SIDE)


def turn(degrees: float) -> torch.Tensor:
    angle = math.radians(degrees)
    return torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)


def arrow():
    """A stroke of 24 x 2 pixels with a head."""
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[30:32, 18:42] = True
    mask[26:36, 38:40] = True
    nodes = mask.flatten().nonzero().flatten()
    signal = torch.stack([POS[:, 0] / SIDE, POS[:, 1] / SIDE], dim=1)
    return fragment_of(nodes, POS, signal, 1.0)


def test_motions_move_centroid_and_angle() -> None:
    shape = arrow().pos
    to = torch.tensor([3.0, -7.0]).double()
    assert torch.allclose(place(shape, to).mean(dim=0), to, atol=1e-12)
    assert torch.allclose(translate(shape, to) - shape, to)
    quarter = rotate(shape + to, turn(90)) - to
    assert torch.allclose(quarter, torch.stack([-shape[:, 1], shape[:, 0]], dim=1), atol=1e-12)
    assert torch.allclose(torch.pdist(rotate(shape, turn(33))), torch.pdist(shape), atol=1e-9)
    a, b = turn(20), turn(75)
    assert torch.allclose(turn_between(a, b), turn(55))


@pytest.mark.parametrize("degrees", [0, 37, 90, 180, 251])
def test_the_axis_turns_with_the_shape(degrees) -> None:
    fragment = arrow()
    axis = principal_axis(rotate(fragment.pos, turn(degrees)))
    expected = rotate(torch.stack([fragment.axis, -fragment.axis]), turn(degrees))[0]
    assert torch.allclose(axis, expected, atol=1e-6)
    order = torch.randperm(len(fragment.pos), generator=torch.Generator().manual_seed(0))
    assert torch.allclose(principal_axis(fragment.pos[order]), fragment.axis, atol=1e-9)


def test_a_square_has_an_axis_too() -> None:
    ring = grid_positions(5, 5)
    assert principal_axis(ring).tolist() == [1, 0]
    tail = torch.cat([ring, torch.tensor([[2.0, 4.0 + 1e-9]]).double()])
    assert principal_axis(tail).norm() == pytest.approx(1)


def test_the_length_of_a_stroke_is_its_length() -> None:
    row = torch.arange(17)
    stroke = fragment_of(row, POS, POS, 1.0)
    assert stroke.length == pytest.approx(17)


@pytest.mark.parametrize("degrees", range(0, 360, 15))
def test_a_placed_fragment_keeps_length_size_and_its_one_piece(degrees) -> None:
    fragment = arrow()
    centre = torch.tensor([29.3, 30.8]).double()
    buffer = rasterise(fragment, turn(degrees), centre, cKDTree(POS.numpy()), 1.0)
    assert len(buffer.nodes) == pytest.approx(len(fragment.nodes), rel=0.3)  # two or three rows of a stroke two wide
    again = fragment_of(buffer.nodes, POS, POS, 1.0)
    assert again.length == pytest.approx(fragment.length, rel=0.05)
    assert len(units_of(torch.ones(len(buffer.nodes), dtype=torch.bool), POS[buffer.nodes], 1.0, 1)) == 1
    assert torch.equal(buffer.colors, fragment.colors[buffer.origin])
    if degrees % 90 == 0:
        assert len(buffer.nodes) == len(fragment.nodes)
        assert len(buffer.origin.unique()) == len(fragment.nodes)


def test_a_shape_is_brought_back_inside_by_the_least_shift() -> None:
    low, high = torch.tensor([0.0, 0.0]).double(), torch.tensor([9.0, 9.0]).double()
    shape = torch.tensor([[-3.0, 2.0], [1.0, 4.0]]).double()
    assert inside_shift(shape, low, high).tolist() == [3, 0]
    wide = torch.tensor([[-3.0, 2.0], [14.0, 4.0]]).double()
    assert inside_shift(wide, low, high).tolist() == [-1, 0]


def test_buffers_are_composed_once_and_heavier_ones_win() -> None:
    signal = torch.zeros(4, 1).double()

    def buffer(nodes, color, weight):
        size = len(nodes)
        return SparseBuffer(
            torch.tensor(nodes),
            torch.full((size, 1), color).double(),
            torch.full((size,), weight).double(),
            torch.zeros(size, dtype=torch.long),
        )

    first, second, third = buffer([0, 1], 1.0, 0.5), buffer([1, 2], 4.0, 1.0), buffer([2], 8.0, 1.0)
    assert compose(signal, [first, second, third]).flatten().tolist() == [0.5, 4, 4, 0]
    assert compose(signal, [second, first]).flatten().tolist() == [0.5, 4, 4, 0]
    assert compose(signal + 2, [first, second], blend=0.5).flatten().tolist() == [1.75, 3, 3, 2]
    assert compose(signal, []).equal(signal)
    assert not signal.any()


def test_scatter_goes_across_the_line_and_only_where_it_is_strong() -> None:
    line = fragment_of(torch.arange(20), POS, POS, 1.0)
    strength = torch.where(torch.arange(20) < 10, 1.0, 0.0).double()
    thick = scatter_across(line, strength, 2.0, 1.0)
    added = thick.pos[20:]
    assert len(added) == 10 * 2 * 2
    assert added[:, 0].max() < line.pos[10, 0]
    assert sorted(added[:, 1].round().unique().tolist()) == [-2, -1, 1, 2]
    assert thick.length == line.length


def test_heat_thickens_strong_fragments_only() -> None:
    laplacian = affinity_laplacian(torch.zeros(SIDE**2, 1), grid_edges(SIDE, SIDE))
    nodes = (POS[:, 1] == 30).nonzero().flatten()
    buffer = SparseBuffer(nodes, torch.full((SIDE, 1), 0.7).double(), torch.ones(SIDE).double(), nodes)
    thick = heat_dilation(buffer, laplacian, 2.0, 1.0)
    rows = POS[thick.nodes][:, 1].unique()
    assert rows.tolist() == sorted({*rows.tolist(), *(60 - rows).tolist()})
    assert len(rows) >= 3
    assert torch.allclose(thick.colors, torch.full_like(thick.colors, 0.7))
    assert heat_dilation(buffer, laplacian, 2.0, 0.0) is buffer


def test_colours_take_mean_and_spread_of_the_reference() -> None:
    generator = torch.Generator().manual_seed(0)
    colors, reference = (torch.rand(50, 3, generator=generator).double() * scale for scale in (0.5, 1.0))
    matched = match_colors(colors, reference)
    assert torch.allclose(matched.mean(dim=0), reference.mean(dim=0), atol=0.03)
    assert (matched <= reference.amax(dim=0)).all()
    one = match_colors(torch.full((5, 3), 0.2).double(), reference)
    assert torch.allclose(one, reference.mean(dim=0).expand(5, 3))


def test_units_touch_within_and_not_between() -> None:
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[5, 5:20] = mask[torch.arange(10, 30), torch.arange(10, 30)] = mask[50, 3:5] = True
    found = units_of(mask.flatten(), POS, 1.0, least=3)
    assert [len(unit) for unit in found] == [15, 20]
    assert units_of(torch.zeros(9, dtype=torch.bool), POS[:9], 1.0, 1) == []


def test_the_low_gate_keeps_the_weaker_share() -> None:
    activity, contours = torch.arange(10.0).double(), torch.arange(10) < 8
    assert low_gate(activity, contours, 0.5).nonzero().flatten().tolist() == [0, 1, 2, 3]
    assert torch.equal(low_gate(activity, contours, 1.0), contours)


def test_seeds_fill_along_contours_and_meet_half_way() -> None:
    contours = (POS[:, 1] == 30) | ((POS[:, 1] == 10) & (POS[:, 0] < 2))
    activity = torch.where((POS[:, 0] == 5) | (POS[:, 0] == 55), 2.0, 1.0).double()
    fills = seeded_units(activity, contours, POS, 1.0, seeds=2, least=5)
    assert [len(fill) for fill in fills] == [30, 30]
    assert POS[fills[0]][:, 0].max() < POS[fills[1]][:, 0].min()


def test_pictures_too_small_for_their_lines_are_refused() -> None:
    for draw in (draw_boxes, draw_curves):
        with pytest.raises(InputError, match="expected pictures of at least 96 pixels a side, found 95; raise side"):
            draw(95)

from __future__ import annotations

import math

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.nn import GeometryBias
from pyg_gears.nn.geometry_bias import edge_median

MODES = ("monotone", "rbf", "point")


def layer(mode: str, channels: int = 3, heads: int = 2) -> GeometryBias:
    torch.manual_seed(0)
    bias = GeometryBias(mode, channels, heads).double()
    for parameter in bias.parameters():
        torch.nn.init.normal_(parameter)
    return bias


def example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    state, pos = (torch.randn(12, c, generator=generator, dtype=torch.float64) for c in (3, 2))
    return state, pos, torch.randint(0, 12, (2, 50), generator=generator)


def test_starts_as_documented() -> None:
    state, pos, edge_index = example()
    square = (pos[edge_index[1]] - pos[edge_index[0]]).square().sum(dim=-1)[:, None].expand(-1, 2)
    for mode, expected in (("monotone", -square), ("rbf", 0 * square), ("point", -square)):
        bias = GeometryBias(mode, 3, 2).double()
        torch.testing.assert_close(bias(state, pos, edge_index), expected.clamp(-10, 0), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_reset_parameters(mode: str) -> None:
    bias, new = layer(mode), GeometryBias(mode, 3, 2).double()
    bias.reset_parameters()
    torch.testing.assert_close(dict(bias.named_parameters()), dict(new.named_parameters()))


def test_point_offsets_have_no_constant() -> None:
    assert sum(p.numel() for p in GeometryBias("point", 96, 4).parameters()) == 1_536 + 4


@pytest.mark.parametrize("mode", MODES)
def test_is_clamped_and_finite_with_finite_gradients(mode: str) -> None:
    state, pos, edge_index = example()
    pos = pos * torch.logspace(-3, 3, 12, dtype=torch.float64)[:, None]
    pos[5] = pos[7]
    edge_index = torch.cat([edge_index, torch.tensor([[5, 7, 3], [7, 5, 3]])], dim=1)
    pos.requires_grad_()
    bias = layer(mode)(state, pos, edge_index)
    assert (bias >= -10).all()
    assert (bias <= (10 if mode == "rbf" else 0)).all()
    bias.sum().backward()
    assert torch.isfinite(pos.grad).all()


@pytest.mark.parametrize("mode", MODES)
def test_invariances(mode: str) -> None:
    state, pos, edge_index = example()
    bias = layer(mode)
    c, s = math.cos(1.0), math.sin(1.0)
    rotation = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
    mirror = torch.tensor([[-1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    expected = bias(state, pos, edge_index)
    torch.testing.assert_close(bias(state, pos + 3.0, edge_index), expected)
    for turned in (pos @ rotation, pos @ mirror):
        assert torch.allclose(bias(state, turned, edge_index), expected) == (mode != "point")
    assert torch.allclose(bias(state, 2 * pos, edge_index), expected) == (mode == "rbf")


def test_median_is_per_graph_lower_and_without_loops() -> None:
    distance = torch.tensor([3.0, 1.0, 2.0, 9.0, 4.0, 5.0, 0.0])
    graph = torch.tensor([0, 0, 0, 2, 0, 2, 0])
    counted = torch.tensor([True] * 6 + [False])
    assert edge_median(distance, graph, counted, 4).tolist() == [2.0, 1.0, 5.0, 1.0]
    assert edge_median(distance[:0], graph[:0], counted[:0], 2).tolist() == [1.0, 1.0]
    assert edge_median(distance[6:], graph[6:], counted[6:], 1).tolist() == [1.0]


def test_unknown_mode() -> None:
    with pytest.raises(InputError, match="the mode monotone, rbf or point, found 'none'"):
        GeometryBias("none", 3, 2)

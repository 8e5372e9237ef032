from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_gears.encoders import ExpressionNetwork


def build(*arguments: object, residual: bool) -> ExpressionNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ExpressionNetwork(*arguments, residual=residual)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("hidden", [(), (4,), (6, 3)])
@pytest.mark.parametrize("out_channels", [3, 5, 8])
def test_a_residual_network_starts_as_its_features(x, hidden: tuple[int, ...], out_channels: int) -> None:
    network = build(5, out_channels, hidden, residual=True)
    expected = torch.zeros(7, out_channels)
    kept = min(5, out_channels)
    expected[:, :kept] = x[:, :kept]
    assert torch.equal(network(x), expected)
    assert network.out_channels == out_channels


def test_a_residual_network_can_leave_its_start(x) -> None:
    network = build(5, 4, (6,), residual=True)
    network(x).square().sum().backward()
    assert network.mlp is not None
    assert network.mlp[-1].weight.grad.abs().max() > 0
    assert network.linear.weight.grad.abs().max() > 0


@pytest.mark.parametrize("residual", [True, False])
def test_the_embedding_is_the_formula(x, residual: bool) -> None:
    network = build(5, 3, (6, 4), residual=residual)
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.normal_(generator=torch.Generator().manual_seed(number))
    first, second, last = (layer for layer in network.mlp if isinstance(layer, torch.nn.Linear))
    h = F.gelu(F.gelu(x @ first.weight.T + first.bias) @ second.weight.T + second.bias) @ last.weight.T + last.bias
    if residual:
        h = h + x @ network.linear.weight.T
    torch.testing.assert_close(network(x), h)


def test_the_plain_network_has_no_linear_path_and_does_not_start_at_zero(x) -> None:
    network = build(5, 3, (4,), residual=False)
    assert network.linear is None
    assert network(x).abs().min() > 0


def test_without_hidden_layers_both_are_linear_maps(x) -> None:
    plain, residual = build(5, 3, (), residual=False), build(5, 3, (), residual=True)
    assert [tuple(p.shape) for p in plain.parameters()] == [(3, 5), (3,)]
    assert [tuple(p.shape) for p in residual.parameters()] == [(3, 5)]
    torch.testing.assert_close(plain(x), F.linear(x, plain.mlp[0].weight, plain.mlp[0].bias))

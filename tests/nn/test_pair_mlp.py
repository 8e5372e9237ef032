from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import gelu

from pyg_gears.nn.edge_pairs import edge_pairs
from pyg_gears.nn.pair_mlp import pair_mlp

SYMMETRIC = torch.tensor([[0, 1, 1, 2, 3, 0, 2], [1, 0, 2, 1, 0, 3, 2]])
DIRECTED = torch.tensor([[0, 1, 2, 3, 2], [1, 2, 0, 1, 2]])


HIDDEN = [5, 9]  # less, and more, than twice the channels: the two ways to compute it


def function(edge_index: torch.Tensor, h: int) -> tuple[Callable[..., torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 3), (h, 12), (h,), (h, h), (h,), (2, h), (2,)]
    tensors = [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]
    pairs = edge_pairs(edge_index, 4)
    return lambda x, w1, b1, w2, b2, w3, b3: pair_mlp(
        x, pairs, edge_index.size(1), (w1, b1), (w2, b2), (w3, b3)
    ), tensors


@pytest.mark.parametrize("h", HIDDEN)
@pytest.mark.parametrize("edge_index", [SYMMETRIC, DIRECTED])
def test_gradcheck(edge_index: torch.Tensor, h: int) -> None:
    f, tensors = function(edge_index, h)
    assert torch.autograd.gradcheck(f, tensors)


@pytest.mark.parametrize("h", HIDDEN)
@pytest.mark.parametrize("edge_index", [SYMMETRIC, DIRECTED])
def test_every_edge_is_the_plain_mlp(edge_index: torch.Tensor, h: int) -> None:
    f, (x, w1, b1, w2, b2, w3, b3) = function(edge_index, h)
    x_j, x_i = x[edge_index[0]], x[edge_index[1]]
    z = gelu(torch.cat([x_i, x_j, (x_i - x_j).abs(), x_i * x_j], dim=1) @ w1.T + b1)
    expected = (gelu(z @ w2.T + b2) @ w3.T + b3).masked_fill((edge_index[0] == edge_index[1])[:, None], 0.0)
    torch.testing.assert_close(f(x, w1, b1, w2, b2, w3, b3), expected)


@pytest.mark.parametrize("h", HIDDEN)
def test_the_embedding_may_be_frozen(h: int) -> None:
    f, tensors = function(SYMMETRIC, h)
    f(*tensors).square().sum().backward()
    expected = [tensor.grad for tensor in tensors[1:]]
    g, fresh = function(SYMMETRIC, h)
    fresh[0].requires_grad_(False)
    g(*fresh).square().sum().backward()
    assert fresh[0].grad is None
    torch.testing.assert_close([tensor.grad for tensor in fresh[1:]], expected)

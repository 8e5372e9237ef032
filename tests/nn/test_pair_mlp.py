from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from pyg_gears.nn.edge_pairs import edge_pairs
from pyg_gears.nn.pair_mlp import pair_mlp

SYMMETRIC = torch.tensor([[0, 1, 1, 2, 3, 0, 2], [1, 0, 2, 1, 0, 3, 2]])
DIRECTED = torch.tensor([[0, 1, 2, 3, 2], [1, 2, 0, 1, 2]])


def function(edge_index: torch.Tensor) -> tuple[Callable[..., torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 3), (5, 12), (5,), (5, 5), (5,), (2, 5), (2,)]
    tensors = [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]
    pairs = edge_pairs(edge_index, 4)
    return lambda x, w1, b1, w2, b2, w3, b3: pair_mlp(
        x, pairs, edge_index.size(1), (w1, b1), (w2, b2), (w3, b3)
    ), tensors


@pytest.mark.parametrize("edge_index", [SYMMETRIC, DIRECTED])
def test_gradcheck(edge_index: torch.Tensor) -> None:
    f, tensors = function(edge_index)
    assert torch.autograd.gradcheck(f, tensors)


def test_the_embedding_may_be_frozen() -> None:
    f, tensors = function(SYMMETRIC)
    f(*tensors).square().sum().backward()
    expected = [tensor.grad for tensor in tensors[1:]]
    g, fresh = function(SYMMETRIC)
    fresh[0].requires_grad_(False)
    g(*fresh).square().sum().backward()
    assert fresh[0].grad is None
    torch.testing.assert_close([tensor.grad for tensor in fresh[1:]], expected)

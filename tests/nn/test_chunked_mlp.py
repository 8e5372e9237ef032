from __future__ import annotations

import pytest
import torch
from torch.nn.functional import gelu

from pyg_gears.nn.chunked_mlp import chunked_mlp


def tensors(ways: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(7, 4), (ways * 3, 4), (3, 3), (3,), (2, 3), (2,)]
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in shapes]


def mlp(rows, w1, w2, b2, w3, b3, chunk: int = 3) -> torch.Tensor:
    return chunked_mlp(rows, w1, (w2, b2), (w3, b3), chunk)


@pytest.mark.parametrize("ways", [1, 2])
def test_every_row_and_way_is_the_plain_mlp(ways: int) -> None:
    rows, w1, w2, b2, w3, b3 = tensors(ways)
    found = mlp(rows, w1, w2, b2, w3, b3)
    for way in range(ways):
        expected = gelu(gelu(rows @ w1[3 * way : 3 * way + 3].T) @ w2.T + b2) @ w3.T + b3
        torch.testing.assert_close(found[:, way], expected)


@pytest.mark.parametrize("ways", [1, 2])
def test_gradients_and_their_gradients(ways: int) -> None:
    assert torch.autograd.gradcheck(mlp, tensors(ways))
    assert torch.autograd.gradgradcheck(mlp, tensors(ways), fast_mode=True)


def test_without_a_last_bias_and_with_frozen_rows() -> None:
    rows, w1, w2, b2, w3, b3 = tensors(2)
    expected = torch.autograd.grad(mlp(rows, w1, w2, b2, w3, b3).square().sum(), [w1, b2])
    torch.testing.assert_close(
        torch.autograd.grad(mlp(rows.detach(), w1, w2, b2, w3, b3).square().sum(), [w1, b2]), expected
    )
    torch.testing.assert_close(chunked_mlp(rows, w1, (w2, b2), (w3, None), 3) + b3, mlp(rows, w1, w2, b2, w3, b3))


def test_no_rows() -> None:
    rows, *weights = tensors(2)
    found = mlp(rows[:0], *weights)
    assert found.shape == (0, 2, 2)
    found.sum().backward()
    assert weights[0].grad is not None
    assert not weights[0].grad.any()

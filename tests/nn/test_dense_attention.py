from __future__ import annotations

import pytest
import torch

from pyg_gears.nn.dense_attention import dense_attention


def tensors(bias_heads: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 6), (2, bias_heads, 5, 5), (2, 3, 5, 5)]
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


@pytest.mark.parametrize("bias_heads", [1, 3])
def test_equals_scaled_dot_product_attention(bias_heads: int) -> None:
    q, k, v, bias, geo = tensors(bias_heads)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias + geo, scale=1.0)
    torch.testing.assert_close(dense_attention(q, k, v, bias, geo), expected, atol=1e-12, rtol=1e-12)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand_as(geo), scale=1.0)
    torch.testing.assert_close(dense_attention(q, k, v, bias), expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("bias_heads", [1, 3])
def test_clipped_products(bias_heads: int) -> None:
    q, k, v, bias, geo = tensors(bias_heads)
    product = q @ k.transpose(-1, -2)
    assert (product.abs() > 1.2).any()
    expected = (product.clamp(-1.2, 1.2) + bias + geo).softmax(dim=-1) @ v
    torch.testing.assert_close(dense_attention(q, k, v, bias, geo, clip=1.2), expected, atol=1e-12, rtol=1e-12)
    assert torch.autograd.gradcheck(lambda *parts: dense_attention(*parts, clip=1.2), (q, k, v, bias, geo))


@pytest.mark.parametrize("bias_heads", [1, 3])
def test_gradcheck(bias_heads: int) -> None:
    assert torch.autograd.gradcheck(dense_attention, tensors(bias_heads))
    assert torch.autograd.gradcheck(dense_attention, tensors(bias_heads)[:4])


def test_masked_pairs_receive_nothing() -> None:
    q, k, v, bias, _ = tensors(1)
    bias = bias.detach().clone()
    bias[:, :, :, 2] = -1e30
    changed = v.detach().clone()
    changed[:, :, 2] += 100.0
    assert torch.equal(dense_attention(q, k, v, bias), dense_attention(q, k, changed, bias))

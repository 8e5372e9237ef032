from __future__ import annotations

import pytest
import torch

from pyg_gears.nn import AttentionBias
from pyg_gears.nn.dense_attention import attend_densely, dense_attention


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


# Graphs of 4, 0 and 3 nodes. No edge enters node 3, and none touches node 6.
EDGES = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 4, 5, 4], [1, 0, 0, 1, 2, 1, 2, 5, 4, 4]])
BATCH = torch.tensor([0, 0, 0, 0, 2, 2, 2])
CLIP = 1.2


def slow(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    gate: torch.Tensor | None,
    pair: torch.Tensor | None,
    geo: torch.Tensor,
    beta: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The formula node by node, head by head and edge by edge: means of the values, and the sum of a node's weights."""
    n, heads, _ = query.shape
    found, mass = torch.zeros_like(value), torch.zeros(n, heads, 1, dtype=torch.float64)
    for i in range(n):
        for h in range(heads):
            weights = {}
            for e, (j, target) in enumerate(EDGES.T.tolist()):
                logit = (query[i, h] @ key[j, h]).clamp(-CLIP, CLIP) + geo[e, h]
                if gate is not None:
                    logit = logit + beta * (gate[e] if gate.dim() == 1 else gate[e, h])
                if pair is not None:
                    logit = logit + pair[e, h]
                if target == i and not torch.isneginf(logit):
                    weights[j] = logit.exp()
            for j, weight in weights.items():
                share = weight / sum(weights.values())
                found[i, h] = found[i, h] + share * value[j, h]
                mass[i, h] += share.detach()
    return found, mass


@pytest.mark.parametrize("gate_heads", [None, 0, 2])
@pytest.mark.parametrize("pair", [False, True])
@pytest.mark.parametrize("left_out", [False, True])
def test_attention_of_a_batch_is_the_formula(gate_heads: int | None, pair: bool, left_out: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    query, key, value, geo = draw(7, 2, 3), draw(7, 2, 3), draw(7, 2, 4), draw(10, 2)
    gate = None if gate_heads is None else draw(10, *[gate_heads] * (gate_heads > 0))
    bias = draw(10, 2) if pair else None
    if left_out:  # the only edge into node 2 but its own loop, and in one head all into node 5
        for values, where in ((gate, (4,)), (bias, (7, 1))):
            if values is not None:
                values[where] = -torch.inf
    parts = [part.requires_grad_() for part in (query, key, value, geo)]
    parts += [part.requires_grad_() for part in (gate, bias) if part is not None]
    graph = AttentionBias(EDGES, 7, BATCH, gate, bias, beta=0.7)
    padded = graph.padded(auto=False)
    assert padded is not None
    found, mass = attend_densely(query, key, value, graph, padded, padded.spread(geo), CLIP)
    expected, total = slow(query, key, value, gate, bias, geo, 0.7)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(mass.expand_as(total), total, atol=1e-12, rtol=1e-12)
    weight = draw(7, 2, 4)
    ours, theirs = (torch.autograd.grad((result * weight).sum(), parts) for result in (found, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)


def test_attention_where_every_node_is_reached_and_no_graph_is_padded() -> None:
    edges = torch.tensor([[0, 1, 0, 1, 2, 3], [0, 0, 1, 1, 3, 2]])
    graph = AttentionBias(edges, 4, torch.tensor([0, 0, 1, 1]))
    padded = graph.padded(auto=False)
    assert padded is not None
    zero, value = torch.zeros(4, 1, 1, dtype=torch.float64), torch.arange(4.0, dtype=torch.float64).view(4, 1, 1)
    found, mass = attend_densely(zero, zero, value, graph, padded)
    assert found.flatten().tolist() == [0.5, 0.5, 3.0, 2.0]
    assert mass.item() == 1.0

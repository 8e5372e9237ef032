from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pyg_gears.nn import AttentionBias, IPAConv
from pyg_gears.nn import ipa_conv as module
from pyg_gears.nn.edge_rows import edge_rows
from pyg_gears.nn.sparse_attention import sparse_attention, sparse_attention_applies

# Node 4 has no edge, node 3 none that enters; 0 -> 1 is there twice; not sorted by either end.
EDGES = torch.tensor([[0, 2, 3, 0, 1, 1, 3, 2], [1, 0, 0, 1, 1, 2, 2, 1]])

pytestmark = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch without MKL sends messages")


def tensors(bias_heads: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(5, 3, 4), (5, 3, 4), (5, 3, 6), (8, bias_heads)]
    return [torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes]


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, clip: float | None = None) -> Tensor:
    return sparse_attention(query, key, value, bias, EDGES, edge_rows(EDGES[1], EDGES[0], 5), clip)


def oracle(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, clip: float | None = None) -> Tensor:
    """Node by node, head by head."""
    result = torch.zeros_like(value)
    for i in range(5):
        into = (EDGES[1] == i).nonzero().flatten()
        for h in range(3 if len(into) else 0):
            product = key[EDGES[0, into], h] @ query[i, h]
            product = product if clip is None else product.clamp(-clip, clip)
            alpha = (product + bias[into, h if bias.size(1) > 1 else 0]).softmax(dim=0)
            result[i, h] = alpha @ value[EDGES[0, into], h]
    return result


@pytest.mark.parametrize("clip", [None, 1.2])
@pytest.mark.parametrize("bias_heads", [1, 3])
def test_equals_the_oracle_and_so_does_its_gradient(bias_heads: int, clip: float | None) -> None:
    parts = tensors(bias_heads)
    found, expected = attend(*parts, clip), oracle(*parts, clip)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = (torch.autograd.grad((result * weight).sum(), parts) for result in (found, expected))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=1e-12)
    assert not found[3:].any()


@pytest.mark.parametrize("bias_heads", [1, 3])
def test_first_and_second_derivative(bias_heads: int) -> None:
    parts = tensors(bias_heads)
    assert torch.autograd.gradcheck(attend, parts)
    assert torch.autograd.gradgradcheck(attend, parts)
    assert torch.autograd.gradcheck(lambda *three: attend(*three, None), parts[:3])


def test_an_edge_at_minus_infinity_takes_no_part() -> None:
    query, key, value, bias = tensors(1)
    cut = bias.detach().clone()
    cut[[1, 2]] = -torch.inf  # all that enter node 0
    cut[5] = -torch.inf  # one of two that enter node 2
    cut.requires_grad_()
    result = attend(query, key, value, cut)
    assert not result[0].any()
    torch.testing.assert_close(result[2], value[3], atol=1e-12, rtol=1e-12)
    gradients = torch.autograd.grad(result.square().sum(), [query, key, value, cut])
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("geo", ["none", "monotone", "rbf", "point"])
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_the_layer_gives_what_its_messages_give(
    monkeypatch, geo: str, gated: bool, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    conv = IPAConv(8, heads=3, head_channels=4, layout="edge", geo=geo, qk_clip=1.0)
    torch.nn.init.normal_(conv.frame_weight)
    torch.nn.init.normal_(conv.update_state[-1].weight)
    conv = conv.to(dtype)
    s, pos, gate = (torch.randn(*size, dtype=dtype, requires_grad=True) for size in ((40, 8), (40, 2), (200,)))
    edge_index, gate = torch.randint(40, (2, 200)), gate if gated else None
    inputs = [part for part in (s, pos, gate, *conv.parameters()) if part is not None]
    found = []
    for applies in (True, False):
        monkeypatch.setattr(module, "sparse_attention_applies", lambda *_, applies=applies: applies)
        results = conv(s, pos, edge_index, gate)
        gradients = torch.autograd.grad(sum(r.square().sum() for r in results), inputs, allow_unused=True)
        found.append([*results, *(g for g in gradients if g is not None)])
    for ours, plain in zip(*found, strict=True):
        scale = max(1.0, float(plain.detach().abs().max()))  # rounding follows the largest of the summands
        torch.testing.assert_close(ours, plain, atol=tolerance * scale, rtol=tolerance)


def test_layers_that_share_a_bias_sort_the_edges_once() -> None:
    bias = AttentionBias(EDGES, 5)
    assert bias.rows() is bias.rows()
    assert replace(bias, gate_logits=torch.zeros(8)).rows() is bias.rows()


def test_where_it_applies() -> None:
    pos = torch.zeros(5, 2)
    assert sparse_attention_applies(pos, EDGES)
    assert sparse_attention_applies(pos.double(), EDGES)
    assert not sparse_attention_applies(pos.bfloat16(), EDGES)
    assert not sparse_attention_applies(pos.to("meta"), EDGES)
    assert not sparse_attention_applies(pos, EDGES[:, :0])


def test_more_edges_than_pairs_of_nodes() -> None:
    torch.manual_seed(0)
    conv = IPAConv(8, heads=2, head_channels=4, layout="edge")
    torch.nn.init.normal_(conv.frame_weight)
    s, pos, edge_index = torch.randn(2, 8), torch.randn(2, 2), torch.tensor([[0, 1], [1, 0]])
    torch.testing.assert_close(conv(s, pos, edge_index.repeat(1, 3)), conv(s, pos, edge_index))


def test_torch_may_have_another_default_device() -> None:
    conv, s, pos = IPAConv(8, heads=2, head_channels=4, layout="edge"), torch.randn(5, 8), torch.randn(5, 2)
    torch.nn.init.normal_(conv.frame_weight)
    expected = conv(s, pos, EDGES)
    with torch.device("meta"):
        found = conv(s, pos, EDGES)
        found[1].sum().backward()
    assert torch.equal(found[1], expected[1])


def test_a_warning_of_the_caller_is_shown_once_and_none_of_torch() -> None:
    """As in a training loop; in a process of its own, since torch warns once in each."""
    code = """
import warnings, torch
from pyg_gears.nn import IPAConv
layer, edges = IPAConv(4, heads=1, head_channels=2, layout="edge"), torch.tensor([[0, 1], [1, 0]])
for _ in range(3):
    layer(torch.zeros(2, 4), torch.zeros(2, 2), edges)
    warnings.warn("of the caller")
"""
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("Warning: of the caller") == 1
    assert "beta" not in done.stderr

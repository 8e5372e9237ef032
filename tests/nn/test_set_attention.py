"""MAB, SAB and ISAB against a slow statement; batches, padding and numbering make no difference."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch_geometric.data import Data

from pyg_gears.errors import InputError
from pyg_gears.nn import ISAB, MAB, SAB, pad_sets
from pyg_gears.testing import assert_batched_equals_single, assert_permutation_equivariant, random_graphs

C, H = 12, 3
SIZES = [7, 1, 19, 12]


def moved(layer: torch.nn.Module, dtype: torch.dtype = torch.float64) -> torch.nn.Module:
    torch.manual_seed(0)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return layer.to(dtype)


def slow_norm(x: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    spread = (x - x.mean()) / (x.var(unbiased=False) + norm.eps).sqrt()
    return spread * norm.weight + norm.bias


def slow_mab(block: MAB, x: Tensor, y: Tensor, bias: Tensor | None = None) -> Tensor:
    """One set, node by node and head by head, from the definition."""
    query, key, value = block.query(x), block.key(y), block.value(y)
    rows, width = [], C // H
    for i in range(len(x)):
        read = torch.zeros(C, dtype=x.dtype)
        for head in range(H):
            own = slice(head * width, (head + 1) * width)
            logit = torch.stack([(query[i, own] * key[j, own]).sum() / math.sqrt(width) for j in range(len(y))])
            weight = (logit + (0 if bias is None else bias[i])).softmax(dim=0)
            read[own] = sum(weight[j] * value[j, own] for j in range(len(y)))
        o = slow_norm(query[i] + read, block.norm_attention)
        rows.append(slow_norm(o + torch.relu(block.update.weight @ o + block.update.bias), block.norm))
    return torch.stack(rows)


def test_mab_equals_the_statement_set_by_set() -> None:
    block, generator = moved(MAB(C, H)), torch.Generator().manual_seed(1)
    x, y = (torch.randn(3, m, C, generator=generator, dtype=torch.float64) for m in (5, 8))
    bias = torch.randn(3, 5, 8, generator=generator, dtype=torch.float64)
    size = [8, 3, 1]
    mask = torch.arange(8) < torch.tensor(size)[:, None]
    for given in (None, bias):
        found = block(x, y, mask, given)
        for b, k in enumerate(size):
            expected = slow_mab(block, x[b], y[b, :k], None if given is None else given[b, :, :k])
            torch.testing.assert_close(found[b], expected, atol=1e-10, rtol=1e-9)


def layers() -> dict[str, torch.nn.Module]:
    return {"SAB": SAB(C, H), "ISAB": ISAB(C, 4, H)}


@pytest.mark.parametrize("name", ["SAB", "ISAB"])
def test_set_layers_are_made_of_it(name: str) -> None:
    layer = moved(layers()[name])
    x = torch.randn(9, C, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    if name == "SAB":
        expected = slow_mab(layer.attention, x, x)
    else:
        expected = slow_mab(layer.distribute, x, slow_mab(layer.collect, layer.points, x))
    torch.testing.assert_close(layer(x), expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["SAB", "ISAB"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_properties_of_the_kit(name: str, dtype: torch.dtype) -> None:
    layer, graphs = moved(layers()[name], dtype), random_graphs(SIZES, C, dtype=dtype)

    def function(data: Data) -> Tensor:
        return layer(data.x, getattr(data, "batch", None))

    tol = 1e-5 if dtype == torch.float32 else 1e-12
    assert_permutation_equivariant(function, graphs[2], tol=tol)
    assert_batched_equals_single(function, graphs, tol=tol)


@pytest.mark.parametrize("filler", [1e3, math.nan, math.inf])
@pytest.mark.parametrize("name", ["SAB", "ISAB"])
def test_padding_agrees_with_sets_alone_whatever_it_holds(name: str, filler: float) -> None:
    """The published code masks a set by the length of another one: 29 to 47 % off in a batch of unequal sets."""
    layer, graphs = moved(layers()[name], torch.float32), random_graphs(SIZES, C)
    batch = torch.arange(len(SIZES)).repeat_interleave(torch.tensor(SIZES))
    sets = pad_sets(batch, sum(SIZES))
    x = torch.cat([graph.x for graph in graphs])
    padded = sets.pad(x).masked_fill(~sets.mask[..., None], filler)
    found = layer(padded, mask=sets.mask)
    for number, graph in enumerate(graphs):
        torch.testing.assert_close(found[number, : SIZES[number]], layer(graph.x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(sets.gather(found), layer(x, batch), atol=1e-5, rtol=1e-5)


def test_a_bias_reaches_its_pair_and_learns() -> None:
    layer = moved(SAB(C, H))
    x = torch.randn(1, 6, C, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    bias = torch.zeros(1, 6, 6, dtype=torch.float64)
    bias[0, 2, 4] = -1e4  # node 2 no longer reads node 4
    changed = (layer(x, bias=bias) - layer(x)).abs().amax(dim=2)[0] > 1e-9
    assert changed.tolist() == [False, False, True, False, False, False]
    mask = torch.tensor([[True] * 5 + [False]])
    bias = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda b: layer(x, mask=mask, bias=b)[:, :5], bias)


@pytest.mark.parametrize("name", ["SAB", "ISAB"])
def test_gradients(name: str) -> None:
    layer = moved(layers()[name])
    batch = torch.tensor([0, 0, 0, 1, 3])  # set 2 is empty
    x = torch.randn(5, C, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, batch), x)
    same = torch.zeros(5, C, dtype=torch.float64, requires_grad=True)
    layer(same, batch).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())
    assert torch.isfinite(same.grad).all()


@pytest.mark.parametrize("layer", [lambda: SAB(C, H), lambda: ISAB(C, 5, H)], ids=["sab", "isab"])
def test_padded_sets_compile_and_the_plain_kernel_differentiates_twice(layer) -> None:
    torch._dynamo.reset()
    module, x = moved(layer()), torch.randn(2, 6, C, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
    for size in (6, 5):
        part, held = x[:, :size], mask[:, :size]
        torch.testing.assert_close(compiled(part, mask=held), module(part, mask=held))
    with sdpa_kernel(SDPBackend.MATH):
        assert torch.autograd.gradgradcheck(lambda x: module(x, mask=mask), x.requires_grad_(), fast_mode=True)


def test_pad_and_gather_are_inverse_and_no_padding_costs_nothing() -> None:
    batch = torch.tensor([0, 0, 2, 2, 2])
    sets = pad_sets(batch, 5, num_sets=4)
    x = torch.arange(10.0).view(5, 2)
    assert sets.pad(x).shape == (4, 3, 2)
    assert torch.equal(sets.gather(sets.pad(x)), x)
    assert sets.mask.tolist() == [[True, True, False], [True, False, False], [True] * 3, [True, False, False]]
    even = pad_sets(torch.tensor([0, 0, 1, 1]), 4)
    assert even.mask is None
    assert even.pad(x[:4]).data_ptr() == x.data_ptr()
    assert pad_sets(None, 5).pad(x).shape == (1, 5, 2)


def test_sizes_reset_and_bad_input() -> None:
    count = {name: sum(p.numel() for p in layer.parameters()) for name, layer in layers().items()}
    block = 4 * (C * C + C) + 4 * C
    assert count == {"SAB": block, "ISAB": 2 * block + 4 * C}
    sab, x = SAB(C, H), torch.randn(4, C)
    with pytest.raises(InputError, match="expected heads that divide the channels, found 5 heads of 12 channels"):
        SAB(C, 5)
    with pytest.raises(InputError, match=r"a mask beside padded sets .* found a batch"):
        sab(x[None], torch.zeros(4, dtype=torch.long))
    with pytest.raises(InputError, match=r"a batch beside nodes .* found a mask"):
        sab(x, mask=torch.ones(1, 4, dtype=torch.bool))
    with pytest.raises(
        InputError, match=r"boolean mask of shape \(1, 4\), found a torch.float32 tensor of shape \(1, 4\)"
    ):
        sab(x[None], mask=torch.ones(1, 4))
    with pytest.raises(InputError, match="expected 12 channels, found 5"):
        sab(torch.randn(4, 5))
    with pytest.raises(InputError, match="a batch that ascends from 0"):
        sab(x, torch.tensor([1, 0, 0, 0]))
    with pytest.raises(
        InputError,
        match=r"a bias of shape \(1, 4, 4\), found a torch\.float32 tensor of shape \(4, 4\); give every pair",
    ):
        sab(x[None], bias=torch.zeros(4, 4))


def test_a_block_refuses_what_would_be_broadcast_or_added() -> None:
    block, x, y = MAB(C, H), torch.randn(2, 4, C), torch.randn(2, 6, C)
    with pytest.raises(
        InputError, match=r"boolean mask of shape \(2, 6\), found a torch\.float32 tensor of shape \(2, 6\); mark"
    ):
        block(x, y, torch.ones(2, 6))
    with pytest.raises(InputError, match=r"as many padded sets .* found \(2, 4, 12\) and \(1, 6, 12\); use SAB"):
        block(x, y[:1])
    with pytest.raises(
        InputError, match=r"a bias of shape \(2, 4, 6\), found a torch\.float32 tensor of shape \(4, 6\)"
    ):
        block(x, y, bias=torch.zeros(4, 6))
    with pytest.raises(InputError, match=r"expected y in the layer's torch\.float32, found torch\.float64"):
        block(x, y.double())

"""Layers in half precision and under autocast: finite, and close to full precision."""

from __future__ import annotations

import pytest
import torch

from pyg_gears.nn import EdgeGate, EGNNConv, GateFormer, IPAConv, PairBias

C = 8
BATCH = torch.tensor([0] * 5 + [1] * 8 + [2])


def example(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Graphs with a node that nothing enters, a lone node, coinciding nodes."""
    generator = torch.Generator().manual_seed(0)
    x, pos = (torch.randn(14, c, generator=generator) for c in (C, 2))
    pos[6], x[6] = pos[7], x[7]
    pairs = torch.cartesian_prod(torch.arange(14), torch.arange(14)).T
    pairs = pairs[:, (BATCH[pairs[0]] == BATCH[pairs[1]]) & (pairs[1] != 2)]
    return x.to(dtype), pos.to(dtype), pairs


def layer(name: str, layout: str, geo: str) -> torch.nn.Module:
    torch.manual_seed(0)
    built = {
        "ipa": lambda: IPAConv(C, heads=2, head_channels=4, layout=layout, geo=geo, qk="published"),
        "egnn": lambda: EGNNConv(C),
        "edge": lambda: EdgeGate(C, 8),
        "former": lambda: GateFormer(C, 8, heads=2),
        "pair": lambda: PairBias(C, heads=2),
    }[name]()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return built.eval()


def run(module: torch.nn.Module, name: str, dtype: torch.dtype, autocast: bool = False) -> list[torch.Tensor]:
    """Results and gradients."""
    x, pos, edge_index = example(dtype)
    x.requires_grad_()
    pos.requires_grad_()
    gate = x[edge_index[0], 0]
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        if name == "ipa":
            found = module(x, pos, edge_index, gate, BATCH)
        elif name == "egnn":
            found = module(x, pos, edge_index)
        else:
            found = (module(x, edge_index, BATCH) if name != "pair" else module(x, edge_index),)
    total = sum(part.float().square().sum() for part in found) + 0.0 * pos.sum()
    gradients = torch.autograd.grad(total, [x, pos, *module.parameters()], allow_unused=True, materialize_grads=True)
    return [part.float() for part in (*found, *gradients)]


CASES = [("ipa", layout, geo) for layout in ("edge", "dense") for geo in ("none", "monotone", "rbf", "point")]
CASES += [(name, "", "") for name in ("egnn", "edge", "former", "pair")]


@pytest.mark.parametrize(("name", "layout", "geo"), CASES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(name: str, layout: str, geo: str, dtype: torch.dtype) -> None:
    expected = run(layer(name, layout, geo), name, torch.float32)
    found = run(layer(name, layout, geo).to(dtype), name, dtype)
    assert all(torch.isfinite(part).all() for part in found)
    results = 2 if name in ("ipa", "egnn") else 1
    for a, b in zip(found[:results], expected[:results], strict=True):
        torch.testing.assert_close(a, b, atol=0.1, rtol=0.1)


@pytest.mark.parametrize(("name", "layout", "geo"), CASES)
def test_autocast(name: str, layout: str, geo: str) -> None:
    module = layer(name, layout, geo)
    expected = run(module, name, torch.float32)
    found = run(module, name, torch.float32, autocast=True)
    assert all(torch.isfinite(part).all() for part in found)
    for a, b in zip(found, expected, strict=True):
        assert (a - b).norm() <= 0.05 * b.norm() + 0.05


@pytest.mark.parametrize(("name", "layout", "geo"), CASES)
def test_a_gradient_taken_under_autocast(name: str, layout: str, geo: str) -> None:
    """torch advises against it, and its own layers allow it."""
    module = layer(name, layout, geo)
    expected = run(module, name, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = run(module, name, torch.float32, autocast=True)
    for a, b in zip(found, expected, strict=True):
        assert (a - b).norm() <= 0.05 * b.norm() + 0.05

"""Gradients of gradients, as gradient penalties need them, of layers and losses."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradgradcheck

from pyg_gears import losses
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import IPALite
from pyg_gears.nn import EdgeGate, EGNNConv, GateFormer, IPAConv, PairBias
from pyg_gears.testing import random_graphs
from pyg_gears.transforms import GeometricTargets

SYMMETRIC = torch.tensor([[0, 1, 2, 3, 1, 0, 4], [1, 0, 3, 2, 2, 0, 4]])
DIRECTED = torch.tensor([[0, 1, 2, 3, 0], [1, 0, 3, 2, 0]])


def normal(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def layer(module: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return module.double().eval()


@pytest.mark.parametrize("edges", [SYMMETRIC, DIRECTED], ids=["symmetric", "directed"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: EdgeGate(3, 4, heads=2),
        lambda: PairBias(3, 2, 4, 4),
        lambda: GateFormer(3, 4, heads=2, layers=1),
        lambda: GateFormer(3, 4, heads=2, layers=2),
    ],
)
def test_gates(make, edges: torch.Tensor) -> None:
    module = layer(make())
    names = [name for name, _ in module.named_parameters()]

    def function(x: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (x, edges))

    inputs = (normal(5, 3), *(parameter.detach().requires_grad_() for parameter in module.parameters()))
    # Along random directions: all of them would take minutes.
    assert gradgradcheck(function, inputs, atol=1e-4, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize("edges", [SYMMETRIC, DIRECTED], ids=["symmetric", "directed"])
@pytest.mark.parametrize("make", [lambda: EdgeGate(3, 4), lambda: PairBias(3, 2), lambda: GateFormer(3, 4, heads=2)])
def test_the_first_derivative_is_the_same_where_a_second_one_follows(make, edges: torch.Tensor) -> None:
    module, x = layer(make()), normal(5, 3)
    inputs = [x, *module.parameters()]
    plain, followed = (
        torch.autograd.grad(module(x, edges).square().sum(), inputs, create_graph=more, materialize_grads=True)
        for more in (False, True)
    )
    torch.testing.assert_close(followed, plain)


@pytest.mark.parametrize("layout", ["edge", "dense"])
@pytest.mark.parametrize("options", [{}, {"geo": "rbf", "qk": "published", "qk_clip": 0.5}], ids=["plain", "rbf"])
def test_attention(layout: str, options: dict) -> None:
    module = layer(IPAConv(3, 2, 2, layout=layout, **options))
    inputs = (normal(5, 3), normal(5, 2), normal(7, 2))
    assert gradgradcheck(lambda s, pos, gate: module(s, pos, SYMMETRIC, gate), inputs, atol=1e-4, rtol=1e-4)


def test_egnn() -> None:
    module = layer(EGNNConv(3))
    assert gradgradcheck(lambda s, pos: module(s, pos, SYMMETRIC), (normal(5, 3), normal(5, 2)))


def test_losses() -> None:
    graph = random_graphs([7], 3, dtype=torch.float64)[0]
    graph.edge_index = candidate_graph(graph.x, 3)
    graph = GeometricTargets(3)(graph)
    draw, teacher = torch.Generator(), torch.rand(7, 2, dtype=torch.float64)

    def all_of(pos: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return torch.stack(
            [
                losses.geometric_energy(pos, graph).as_subclass(torch.Tensor),
                losses.linear_stress(pos, graph),
                losses.local_stress(pos, graph),
                losses.ratio_stress(pos, graph),
                losses.walk_entropy(pos, graph),
                losses.repulsion(pos, graph, draw.manual_seed(0), pairs=5, tau=1.0),
                losses.distill_walk(pos, teacher, graph),
                losses.distill_distances(pos, teacher, graph),
                losses.gate_kl(logits, graph),
                losses.gate_trust(logits, torch.zeros_like(logits), graph),
            ]
        )

    inputs = (normal(7, 2), normal(graph.edge_index.size(1)))
    assert gradgradcheck(all_of, inputs, atol=1e-4, rtol=1e-3, fast_mode=True)


def test_a_gradient_penalty_of_a_model_reaches_its_weights() -> None:
    graph = random_graphs([9], 3)[0]
    graph.x.requires_grad_()
    torch.manual_seed(0)
    model = IPALite(3, 8, 2, 4)
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    (gradient,) = torch.autograd.grad(model(graph).pos.square().cumsum(0).sum(), graph.x, create_graph=True)
    gradient.square().sum().backward()
    for name, parameter in model.named_parameters():
        if name.startswith("gate."):
            assert torch.isfinite(parameter.grad).all()
            assert name == "gate.last.bias" or (parameter.grad != 0).any(), name

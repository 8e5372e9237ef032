"""The property kit holds for our models and losses, and notices what breaks a property."""

from __future__ import annotations

import pytest
import torch

from pyg_gears.losses import linear_stress, log_stress, random_walk_kl
from pyg_gears.models import IPALite
from pyg_gears.nn import EdgeGate, IPAConv
from pyg_gears.testing import (
    assert_batched_equals_single,
    assert_coordinate_equivariant,
    assert_permutation_equivariant,
    assert_pose_invariant,
    permute,
    random_graphs,
)
from pyg_gears.transforms import GeometricTargets

TOL = {torch.float32: 1e-4, torch.float64: 1e-10}


def awake(module: torch.nn.Module) -> torch.nn.Module:
    """Random weights everywhere: at its zero start a layer has every property for free."""
    generator = torch.Generator().manual_seed(1)
    for weight in module.parameters():
        torch.nn.init.normal_(weight, std=0.3, generator=generator)
    return module.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("preset", ["v1", "v2", "d7"])
def test_models(preset: str, dtype: torch.dtype) -> None:
    model = awake(IPALite.from_preset(preset, 5, hidden_channels=16, heads=2, head_channels=8, recycles=3)).to(dtype)
    graphs = random_graphs([30, 7, 45], 5, dtype=dtype)

    def pos(graph):
        return model(graph).pos

    assert_batched_equals_single(pos, graphs, tol=TOL[dtype])
    assert_permutation_equivariant(pos, graphs[0], tol=TOL[dtype])


@pytest.mark.parametrize("layout", ["edge", "dense"])
def test_layers(layout: str) -> None:
    gate, layer = awake(EdgeGate(5)).double(), awake(IPAConv(5, heads=2, head_channels=4, layout=layout)).double()
    graphs = random_graphs([12, 33, 5], 5, dtype=torch.float64)

    def moved(graph):
        logits = gate(graph.x, graph.edge_index)
        s, pos = layer(graph.x, graph.pos, graph.edge_index, logits, getattr(graph, "batch", None))
        return torch.cat([s, pos], dim=1)

    assert_batched_equals_single(moved, graphs, tol=1e-10)
    assert_permutation_equivariant(moved, graphs[1], tol=1e-10)


def test_all_fields_follow_the_nodes() -> None:
    graph = random_graphs([6], 5)[0]
    graph.edge_index = graph.edge_index[:, :6]  # as many edges as nodes
    graph.edge_attr, graph.y, graph.near_index = torch.arange(6.0), torch.tensor(3.0), torch.tensor([[0, 5], [1, 2]])
    order = torch.tensor([3, 1, 0, 5, 2, 4])
    found = permute(graph, order)
    place = order.argsort()
    assert {tuple(e): a for e, a in zip(found.edge_index.T.tolist(), found.edge_attr.tolist(), strict=True)} == {
        tuple(e): a for e, a in zip(place[graph.edge_index].T.tolist(), graph.edge_attr.tolist(), strict=True)
    }
    assert torch.equal(found.x, graph.x[order])
    assert torch.equal(found.near_index, place[graph.near_index])
    assert found.y == 3.0


@pytest.mark.parametrize("loss", [random_walk_kl, log_stress, linear_stress])
@pytest.mark.parametrize("allow_reflection", [False, True])
def test_losses_do_not_see_the_pose(loss, allow_reflection: bool) -> None:
    graph = GeometricTargets()(random_graphs([40], 3, dtype=torch.float64)[0])
    guess = torch.randn(40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert_pose_invariant(lambda pos: loss(pos, graph), guess, allow_reflection=allow_reflection, tol=1e-8)


def test_motions_of_a_layer() -> None:
    graph = random_graphs([12], 5, dtype=torch.float64)[0]
    layer = awake(IPAConv(5, heads=2, head_channels=4, frame="rotation")).double()
    assert_coordinate_equivariant(
        lambda pos: layer(graph.x, pos, graph.edge_index)[1], graph.pos, allow_reflection=False, tol=1e-10
    )
    assert_coordinate_equivariant(
        lambda pos: layer(graph.x, pos, graph.edge_index)[0],
        graph.pos,
        allow_reflection=True,
        invariant=True,
        tol=1e-10,
    )


def test_broken_properties_are_noticed() -> None:
    graphs = random_graphs([8, 9], 3)
    with pytest.raises(AssertionError, match="batching: results differ"):
        assert_batched_equals_single(lambda g: g.x - g.x.mean(dim=0), graphs, tol=1e-6)
    with pytest.raises(AssertionError, match="permutation: results differ"):
        assert_permutation_equivariant(lambda g: g.x * torch.arange(len(g.x))[:, None], graphs[0], tol=1e-6)
    with pytest.raises(AssertionError, match="pose: results differ"):
        assert_pose_invariant(lambda pos: pos.sum(), graphs[0].pos, allow_reflection=False, tol=1e-6)
    with pytest.raises(AssertionError, match="motion: results differ"):
        assert_coordinate_equivariant(lambda pos: 2 * pos, graphs[0].pos, allow_reflection=False, tol=1e-4)
    with pytest.raises(AssertionError, match="motion: results differ"):
        assert_coordinate_equivariant(
            lambda p: p @ torch.diag(torch.tensor([1.0, -1.0])), graphs[0].pos, allow_reflection=True, tol=1e-4
        )
    with pytest.raises(AssertionError, match="batching: shape"):
        assert_batched_equals_single(lambda g: g.x.sum(dim=0), graphs, tol=1e-6)

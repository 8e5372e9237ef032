"""Models that move a guess: drift, solver, noise, order of placement, Langevin chain, recycles."""

from __future__ import annotations

import math
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import linear_stress
from pyg_gears.models import CoopEBM, GradientFlow, LayoutSDE, PlaceNet, StochasticIPA, WassersteinFlow
from pyg_gears.models.drift import Drift, travel_edges
from pyg_gears.models.moving_model import downhill, misalignment
from pyg_gears.models.placement_order import placement_keys
from pyg_gears.testing import assert_coordinate_equivariant, random_graphs
from pyg_gears.transforms import CandidateGraph, GeometricTargets

C = 5
ONE = torch.zeros(10, dtype=torch.long)


def miniset(n: int, seed: int = 0) -> Data:
    generator = torch.Generator().manual_seed(seed)
    pos = gauge_fix(torch.randn(n, 2, generator=generator))
    x = torch.cat([pos, torch.randn(n, C - 2, generator=generator)], dim=1)
    return CandidateGraph(8)(GeometricTargets(k=6)(Data(x=x, pos=pos)))


def test_a_drift_turns_with_the_layout_and_moves_no_centre() -> None:
    torch.manual_seed(0)
    graph, drift = random_graphs([10], C, dtype=torch.float64)[0], Drift(C, 8).double()
    edges = travel_edges(graph.x, graph.edge_index, ONE, 1, 4, 2)
    assert drift(graph.pos, graph.x, edges, ONE, 1, 0.3).abs().max() == 0  # still at first
    for parameter in drift.parameters():
        torch.nn.init.normal_(parameter, std=0.4)

    def moved(pos: Tensor) -> Tensor:
        return pos + drift(pos, graph.x, edges, ONE, 1, 0.3)

    assert_coordinate_equivariant(moved, graph.pos, allow_reflection=True, tol=1e-9)
    speed = drift(graph.pos, graph.x, edges, ONE, 1, 0.3)
    torch.testing.assert_close(speed.mean(dim=0), torch.zeros(2, dtype=torch.float64), atol=1e-12, rtol=0)
    assert not torch.allclose(speed, drift(graph.pos, graph.x, edges, ONE, 1, 0.9))


@pytest.mark.parametrize("kind", [GradientFlow, LayoutSDE])
def test_an_empty_graph_counts_the_same_wherever_it_stands(kind: type[GradientFlow] | type[LayoutSDE]) -> None:
    graphs = [miniset(9, seed=1), miniset(12, seed=2)]
    none = graphs[0].clone()
    for name, value in graphs[0].to_dict().items():
        if name != "rw_steps":
            none[name] = value[:, :0] if name.endswith("index") else value[:0]
    torch.manual_seed(0)
    model = kind(C, 8, neighbors=4, landmarks=2)
    for parameter in model.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    found = []
    for batch in (Batch.from_data_list([graphs[0], none, graphs[1]]), Batch.from_data_list([*graphs, none])):
        terms = model.loss_terms(model.eval()(batch), batch, torch.Generator().manual_seed(0))
        found.append(torch.stack([value for _, value in terms.values()]))
    torch.testing.assert_close(found[0], found[1])


def test_a_flow_cannot_run_away() -> None:
    """With large weights: had the velocity grown with the square of a distance, some steps would be enough for infinity."""
    torch.manual_seed(0)
    model, graph = GradientFlow(C, 8, steps=8, solver="rk4", neighbors=4, landmarks=2), miniset(15)
    for parameter in model.drift.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    output = model.eval()(graph)
    assert all(pos.isfinite().all() for pos in output.coordinates)


def test_the_thinned_graph_has_the_nearest_and_the_landmarks() -> None:
    graph = random_graphs([10, 6], C, share=0.7)
    batch = Batch.from_data_list(graph)
    edges = travel_edges(batch.x, batch.edge_index, batch.batch, 2, 3, 2)
    assert (edges[0] != edges[1]).all()
    assert (batch.batch[edges[0]] == batch.batch[edges[1]]).all()
    assert torch.equal(edges, edges.unique(dim=1)[:, (edges.unique(dim=1)[1] * 16 + edges.unique(dim=1)[0]).argsort()])
    degree = torch.bincount(edges[1], minlength=16)
    assert (degree >= 2).all()
    assert (degree <= 5).all()
    assert travel_edges(batch.x, batch.edge_index, batch.batch, 2, 3, 0).size(1) <= 48


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2), ("rk4", 4)])
def test_a_solver_has_its_order(solver: str, order: int) -> None:
    """On x' = t x with x(0) = 1, whose end is the root of e."""
    errors = []
    for steps in (4, 8):
        model: Any = GradientFlow(C, 4, steps, solver)
        model._velocity = lambda given, pos, time: time * pos
        pos = torch.ones(1, 2, dtype=torch.float64)
        for step in range(steps):
            pos = model._advance(SimpleNamespace(), pos, step / steps, 1 / steps)
        errors.append(abs(float(pos[0, 0]) - math.exp(0.5)))
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_alignment_is_zero_downhill_and_two_uphill() -> None:
    batch = Batch.from_data_list([miniset(10), miniset(12, 1)])
    pos = torch.randn(22, 2, generator=torch.Generator().manual_seed(0))
    way = downhill(pos, batch)
    assert float(linear_stress(pos + 0.5 * way / way.norm(), batch)) < float(linear_stress(pos, batch))
    for factor, expected in ((2.0, 0.0), (-1.0, 2.0)):
        scaled = factor * way / way.norm()
        assert float(misalignment(scaled, way, batch.batch, 2)) == pytest.approx(expected, abs=1e-3)
    with torch.no_grad():
        assert torch.equal(downhill(pos, batch), way)


def test_noise_of_the_dynamics_fades_and_steps_can_be_others() -> None:
    torch.manual_seed(0)
    model, graph = LayoutSDE(C, 8, steps=4, inference_steps=6, neighbors=4, landmarks=2), miniset(30)
    assert len(model.train()(graph).trajectory) == 4
    assert len(model.eval()(graph).trajectory) == 6
    quiet = model(graph, steps=9)
    assert len(quiet.trajectory) == 9
    torch.testing.assert_close(quiet.pos, quiet.initial)  # a new drift stands still
    with pytest.raises(InputError, match="expected at least one step, found 0"):
        model(graph, steps=0)
    shaken = model(graph, noise=1.0, generator=torch.Generator().manual_seed(0), steps=40).coordinates
    moves = [float((b - a).detach().square().mean()) for a, b in pairwise(shaken)]
    assert sum(moves[:10]) > 3 * sum(moves[-10:])
    assert sum(moves) == pytest.approx(0.2**2 / 3, rel=0.4)  # mean of (1 - t)^2


def test_placement_goes_outwards_from_its_first_node() -> None:
    path = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])
    x = torch.tensor([[9.0], [1.0], [0.0], [0.5], [0.2]])
    keys = placement_keys(x, path, torch.zeros(5, dtype=torch.long), 1, drawn=False)
    assert keys.floor().tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]  # node 4 cannot be reached
    first = {
        int(placement_keys(x, path, ONE[:5], 1, torch.Generator().manual_seed(s), drawn=True).argmin())
        for s in range(20)
    }
    assert len(first) > 2
    two = torch.cat([path, path + 5], dim=1)
    both = placement_keys(torch.cat([x, x]), two, torch.tensor([0] * 5 + [1] * 5), 2, drawn=False)
    torch.testing.assert_close(both, torch.cat([keys, keys]))


def test_later_placements_see_earlier_ones_and_not_the_reverse() -> None:
    torch.manual_seed(0)
    model = PlaceNet(C, 8, 1, 3, 2, group=3).eval()
    for parameter in model.place.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    h, held = torch.randn(1, 9, 8), torch.ones(1, 9, dtype=torch.bool)
    draw = torch.zeros(1, 9, 2)
    _, quiet, _ = model._placed(h, draw, held)
    draw[0, 4] = 1.0
    _, moved, _ = model._placed(h, draw, held)
    change = (moved - quiet)[0].norm(dim=1)
    assert (change[:4] == 0).all()
    assert change[5] == 0  # of the same group
    assert change[4] > 0
    assert (change[6:] > 0).all()


def test_the_chain_runs_downhill_and_the_generator_follows_it() -> None:
    torch.manual_seed(0)
    model, batch = CoopEBM(C, 8, 1, 3, 2, langevin_steps=20), Batch.from_data_list([miniset(12), miniset(15, 1)])
    pos = gauge_fix(torch.randn(27, 2, generator=torch.Generator().manual_seed(5)), batch.batch)
    revised = model.revised(pos, batch, torch.Generator().manual_seed(0))
    assert float(linear_stress(revised, batch)) < 0.7 * float(linear_stress(pos, batch))
    assert not revised.requires_grad
    output = model.train()(batch)
    teaching = model.loss_terms(output, batch, torch.Generator().manual_seed(1))["teaching"][1]
    expected = output.initial - model.revised(output.initial, batch, torch.Generator().manual_seed(1))
    assert float(teaching.detach()) == pytest.approx(float(expected.detach().square().sum(dim=1).mean()))


def test_recycles_are_drawn_in_training_and_all_run_after() -> None:
    torch.manual_seed(0)
    model, graph = StochasticIPA(C, 8, 2, 4, recycles=3, blocks=2, points=3), miniset(12)
    model.train()
    counts = {len(model(graph, generator=torch.Generator().manual_seed(s)).trajectory) for s in range(20)}
    assert counts == {1, 2, 3}
    assert len(model.eval()(graph).trajectory) == 3
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    output = model(graph)
    assert torch.autograd.grad(output.pos.square()[:4].sum(), output.initial, allow_unused=True)[0] is None
    model.detach = False
    output = model(graph)
    assert torch.autograd.grad(output.pos.square()[:4].sum(), output.initial)[0].abs().max() > 0


def test_a_proximal_step_takes_its_start_as_given() -> None:
    torch.manual_seed(0)
    model, graph = WassersteinFlow(C, 8, 1, 3, 2, steps=2, tau=0.5), miniset(12)
    for parameter in model.move.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    output = model.train()(graph)
    assert torch.autograd.grad(output.pos.square()[:4].sum(), output.coordinates[1], allow_unused=True)[0] is None
    weight, value = model.loss_terms(output, graph)["transport"]
    assert weight == 1.0
    moves = [
        (b - a).square().sum(dim=1).mean() for a, b in zip(output.coordinates[:-1], output.trajectory, strict=True)
    ]
    torch.testing.assert_close(value, torch.stack(moves).mean())

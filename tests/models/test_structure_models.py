"""What holds for every recycling model, in every variant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.graphs import candidate_graph
from pyg_gears.models import RecyclingModel

Build = Callable[..., Any]
Graph = Callable[..., Data]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", ["edge", "dense", "auto"])
def test_batched_equals_unbatched(build: Build, graph: Graph, layout: str, dtype: torch.dtype) -> None:
    graphs = [graph(n, n, dtype) for n in (20, 1, 9, 33)]
    model: RecyclingModel = build(dtype, layout=layout)
    together = model(Batch.from_data_list(graphs))
    alone = [model(data) for data in graphs]
    tolerance = {"atol": 1e-4, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 1e-9, "rtol": 1e-9}
    for r in range(model.recycles):
        expected = torch.cat([output.trajectory[r] for output in alone])
        torch.testing.assert_close(together.trajectory[r], expected, **tolerance)
    torch.testing.assert_close(together.state, torch.cat([o.state for o in alone]), **tolerance)
    torch.testing.assert_close(together.gate_logits, torch.cat([o.gate_logits for o in alone]), **tolerance)


def test_layouts_agree_and_so_do_their_gradients(build: Build, graph: Graph) -> None:
    batch = Batch.from_data_list([graph(20, 0), graph(9, 1)])
    results = []
    for layout in ("edge", "dense"):
        model = build(layout=layout)
        output = model(batch)
        weight = torch.linspace(-1, 1, output.pos.numel(), dtype=torch.float64).view_as(output.pos)
        total = sum((pos * weight).sum() for pos in output.trajectory) + output.state.sum()
        gradients = torch.autograd.grad(total, list(model.parameters()))
        # Nothing is left out of the result but the shift of the guess, which the gauge takes away.
        silent = [n for (n, _), g in zip(model.named_parameters(), gradients, strict=True) if g.abs().max() < 1e-9]
        assert silent == ["embed_pos.2.bias"]
        results.append((output.trajectory, gradients))
    torch.testing.assert_close(*results, atol=1e-9, rtol=1e-7)


def test_permutation_equivariance(build: Build, graph: Graph) -> None:
    data, model = graph(25, 0), build()
    order = torch.randperm(25, generator=torch.Generator().manual_seed(1))
    shuffled = torch.randperm(data.edge_index.size(1), generator=torch.Generator().manual_seed(2))
    place = order.argsort()
    moved = model(Data(x=data.x[order], edge_index=place[data.edge_index][:, shuffled]))
    expected = model(data)
    torch.testing.assert_close(moved.pos, expected.pos[order], atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(moved.gate_logits, expected.gate_logits[shuffled], atol=1e-9, rtol=1e-9)


def test_output(build: Build, graph: Graph) -> None:
    batch = Batch.from_data_list([graph(20, 0), graph(9, 1)])
    model = build(recycles=4)
    output = model(batch, return_terms=True)
    assert len(output.trajectory) == len(output.terms) == model.recycles == 4
    assert output.trajectory[-1] is output.pos
    for pos in (output.initial, *output.trajectory):
        torch.testing.assert_close(gauge_fix(pos, batch.batch), pos, atol=1e-9, rtol=1e-9)
    assert output.state.shape == (29, 12)
    torch.testing.assert_close(output.pos, model(batch).pos, atol=1e-9, rtol=1e-9)
    for terms in output.terms:
        assert all(term.shape == (batch.edge_index.size(1), 2) and not term.requires_grad for term in terms)
    assert model(batch).terms is None


def test_gate_can_be_given_left_out_and_weighted(build: Build, graph: Graph) -> None:
    data, model = graph(20, 0), build()
    own = model(data)
    torch.testing.assert_close(model(data, gate_logits=own.gate_logits).pos, own.pos)
    without = model(data, use_gate=False)
    assert without.gate_logits is None
    cuts = getattr(model, "attention", "") == "hard_gate"  # a choice by the gate stays, whatever its weight
    assert torch.allclose(model(data, beta=0.0).pos, without.pos, atol=1e-9) != cuts
    assert not torch.allclose(own.pos, without.pos)
    assert model.beta == 2.0
    torch.testing.assert_close(model(data, beta=2.0).pos, own.pos)
    torch.testing.assert_close(model(data, gate_logits=0.5 * own.gate_logits).pos, model(data, beta=1.0).pos)
    terms = [model(data, beta=beta, return_terms=True).terms for beta in (2.0, 0.7)]
    for whole, part in zip(*terms, strict=True):
        torch.testing.assert_close(part.gate, 0.35 * whole.gate)


def test_logits_of_another_support_are_refused(build: Build, graph: Graph) -> None:
    data, model = graph(20, 0), build()
    oracle = candidate_graph(data.x, 2)
    assert model(data, edge_index=oracle, use_gate=False).edge_index.equal(oracle)
    assert model(data, edge_index=oracle).gate_logits.size(0) == oracle.size(1)
    logits = model(data).gate_logits
    with pytest.raises(InputError, match="belong to another support"):
        model(data, edge_index=oracle, gate_logits=logits)
    with pytest.raises(InputError, match="no gate logits with use_gate=False"):
        model(data, edge_index=oracle, gate_logits=logits, use_gate=False)


def test_a_detached_gate_is_moved_by_its_own_loss_only(build: Build, graph: Graph) -> None:
    data, model = graph(20, 0), build()
    attached, output = model(data), model(data, detach_gate=True)
    assert torch.equal(attached.pos, output.pos)
    gate = list(model.gate.parameters())
    others = [p for name, p in model.named_parameters() if not name.startswith("gate.")]
    loss = output.pos.square()[:10].sum() + output.state.sum()
    found = torch.autograd.grad(loss, [*gate, *others], retain_graph=True, allow_unused=True)
    assert all(gradient is None for gradient in found[: len(gate)])
    assert all(gradient is not None for gradient in found[len(gate) :])
    assert torch.autograd.grad(attached.pos.square()[:10].sum(), gate)[0].abs().max() > 0
    assert torch.autograd.grad(output.gate_logits.square().sum(), gate)[0].abs().max() > 0


def test_noise(build: Build, graph: Graph) -> None:
    data, model = graph(20, 0), build()
    assert torch.equal(model(data).pos, model(data).pos)
    model.train()
    assert not torch.equal(model(data).initial, model(data).initial)
    assert torch.equal(model(data, noise=0.0).initial, model(data, noise=0.0).initial)
    model.eval()
    first, second = (model(data, noise=0.3, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert not torch.allclose(first.pos, second.pos)
    assert torch.equal(first.pos, model(data, noise=0.3, generator=torch.Generator().manual_seed(1)).pos)


def test_detach_stops_the_gradient_between_recycles(build: Build, graph: Graph) -> None:
    data = graph(20, 0)
    for detach in (False, True):
        model = build(detach=detach)
        torch.testing.assert_close(model(data).pos, build().__call__(data).pos)
        start = [model.embed_state[0].weight, model.embed_pos[0].weight]
        for r, reaches in ((0, True), (model.recycles - 1, not detach)):
            pos = model(data).trajectory[r]
            found = torch.autograd.grad(pos.square()[:10].sum(), start, allow_unused=True)
            assert [gradient is not None for gradient in found] == [reaches, reaches]


def test_steps_are_scaled(build: Build, graph: Graph) -> None:
    data, model = graph(20, 0), build()
    still = model(data, step_scale=0.0)
    torch.testing.assert_close(still.pos, still.initial, atol=1e-9, rtol=1e-9)
    part, whole = (model(data, step_scale=scale).trajectory[0] for scale in (1e-6, 2e-6))
    torch.testing.assert_close(whole - still.initial, 2 * (part - still.initial), atol=1e-10, rtol=1e-4)


def test_single_nodes_and_collapsed_embeddings_stay_finite(build: Build) -> None:
    for x in (torch.randn(1, 8), torch.zeros(7, 8)):
        model = build(torch.float32).train()
        output = model(Data(x=x, edge_index=candidate_graph(x, 3)), noise=0.0)
        output.pos.sum().backward()
        assert torch.isfinite(output.pos).all()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_reset_parameters_reaches_every_parameter_and_buffer(build: Build, graph: Graph) -> None:
    model = build()
    for value in model.state_dict().values():
        value.fill_(7.0)
    model.reset_parameters()
    assert not [name for name, value in model.state_dict().items() if (value == 7.0).any()]
    output = model(graph(20, 0))
    if getattr(model, "smoothing", None) is None:  # smoothing moves from the start
        torch.testing.assert_close(output.pos, output.initial, atol=1e-9, rtol=1e-9)


def test_state_dict_round_trip(build: Build, graph: Graph) -> None:
    first, second = build(), build()
    for parameter in second.parameters():
        torch.nn.init.normal_(parameter)
    second.load_state_dict(first.state_dict())
    assert torch.equal(second(graph(20, 0)).pos, first(graph(20, 0)).pos)


def test_bad_input(build: Build, graph: Graph) -> None:
    with pytest.raises(InputError, match="expected at least one recycle, found 0"):
        build(recycles=0)
    with pytest.raises(InputError, match=r"shape \(n, 8\), found \(3, 5\)"):
        build()(Data(x=torch.randn(3, 5), edge_index=torch.zeros(2, 0, dtype=torch.long)))

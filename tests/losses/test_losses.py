from __future__ import annotations

import copy
import inspect
import math
import pickle

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix
from pyg_gears.losses import (
    effective_bandwidth,
    gate_kl,
    geometric_energy,
    linear_stress,
    local_stress,
    log_stress,
    operator_kl,
    random_walk_kl,
    ratio_stress,
    repulsion,
    walk_entropy,
)
from pyg_gears.losses.random_walk import random_walk_kl_per_graph
from pyg_gears.transforms import CandidateGraph, GeometricTargets

SIZES = (30, 55, 170)


def graphs(dtype: torch.dtype = torch.float64, sizes: tuple[int, ...] = SIZES) -> tuple[list[Data], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    pos = [torch.rand(n, 2, dtype=dtype, generator=generator) for n in sizes]
    x = [torch.randn(n, 6, generator=generator) for n in sizes]
    transform = [GeometricTargets(), CandidateGraph(k=12)]
    data = [Data(x=a, pos=p) for a, p in zip(x, pos, strict=True)]
    for one in transform:
        data = [one(d) for d in data]
    return data, pos


def dense_walk(data: Data, pos: torch.Tensor) -> torch.Tensor:
    """T_pred from the formula on the fixed edges, entry by entry."""
    x, n = gauge_fix(pos), len(pos)
    w = torch.zeros(n, n, dtype=pos.dtype)
    for j, i, m in zip(*data.rw_edge_index.tolist(), data.rw_multiplicity.tolist(), strict=True):
        w[i, j] = m * torch.exp(-(x[i] - x[j]).square().sum() / (data.sigma[i] * data.sigma[j] + 1e-8))
    return w / w.sum(dim=1, keepdim=True)


def slow_walk_kl(data: Data, pos: torch.Tensor, truth: torch.Tensor) -> float:
    reference, predicted = dense_walk(data, truth), dense_walk(data, pos)
    total = 0.0
    for step in range(1, int(data.rw_steps) + 1):
        p, q = torch.linalg.matrix_power(reference, step), torch.linalg.matrix_power(predicted, step)
        inside = p > 0
        total += 0.5 ** (step - 1) * float((p[inside] * (p[inside] / q[inside]).log()).sum()) / len(pos)
    return total


def test_walk_kl_is_the_formula_and_batches() -> None:
    data, truth = graphs()
    pos = [t + 0.05 * torch.randn(t.shape, dtype=t.dtype, generator=torch.Generator().manual_seed(1)) for t in truth]
    slow = [slow_walk_kl(d, p, t) for d, p, t in zip(data, pos, truth, strict=True)]
    for d, p, expected in zip(data, pos, slow, strict=True):
        assert float(random_walk_kl(p, d)) == pytest.approx(expected, rel=1e-4)
    batch = Batch.from_data_list(data)
    assert float(random_walk_kl(torch.cat(pos), batch)) == pytest.approx(sum(slow) / len(slow), rel=1e-4)


@pytest.mark.parametrize("mirror", [False, True])
def test_energy_of_the_truth_is_zero_under_similarities(mirror: bool) -> None:
    data, truth = graphs()
    moved = []
    for number, t in enumerate(truth):
        angle = 1.0 + number
        turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=t.dtype)
        moved.append(10.0 ** (number - 1) * t * torch.tensor([1.0, -1.0 if mirror else 1.0]) @ turn + number)
    energy = geometric_energy(torch.cat(moved), Batch.from_data_list(data))
    assert abs(float(energy)) < 1e-8  # rounding leaves a sign
    for d, p, t in zip(data, moved, truth, strict=True):
        torch.testing.assert_close(dense_walk(d, p), dense_walk(d, t), atol=1e-10, rtol=0)


@pytest.mark.parametrize("loss", [random_walk_kl, log_stress, linear_stress, ratio_stress, local_stress, walk_entropy])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_batch_keep_the_dtype_and_differentiate(loss, dtype) -> None:
    data, truth = graphs(dtype)
    pos = torch.cat([t.flip(0) for t in truth]).requires_grad_()
    value = loss(pos, Batch.from_data_list(data))
    single = torch.stack([loss(t.flip(0), d) for t, d in zip(truth, data, strict=True)]).mean()
    torch.testing.assert_close(value.detach(), single, atol=1e-5, rtol=1e-5)
    assert value.dtype == dtype
    value.backward()
    assert torch.isfinite(pos.grad).all()
    assert pos.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", [random_walk_kl, log_stress, linear_stress, ratio_stress, local_stress, walk_entropy])
def test_many_layouts_are_differentiated_at_once(loss) -> None:
    data, truth = graphs(sizes=(22, 9))
    batch, pos = Batch.from_data_list(data), torch.cat([t.flip(0) for t in truth])
    layouts = torch.stack([pos, 2 * pos.square()])
    found = torch.func.vmap(torch.func.grad(lambda pos: loss(pos, batch)))(layouts)
    for layout, gradient in zip(layouts, found, strict=True):
        leaf = layout.clone().requires_grad_()
        torch.testing.assert_close(gradient, torch.autograd.grad(loss(leaf, batch), leaf)[0])


@pytest.mark.parametrize(
    "loss", [random_walk_kl, log_stress, linear_stress, ratio_stress, local_stress, geometric_energy]
)
def test_collapsed_layouts_have_finite_loss_and_gradient(loss) -> None:
    data, _ = graphs()
    pos = torch.zeros(sum(SIZES), 2, dtype=torch.float64, requires_grad=True)
    value = loss(pos, Batch.from_data_list(data))
    value.backward()
    assert torch.isfinite(value.detach())
    assert torch.isfinite(pos.grad).all()


@pytest.mark.parametrize("loss", [random_walk_kl, log_stress, linear_stress, ratio_stress, local_stress, walk_entropy])
def test_gradients(loss) -> None:
    data, truth = graphs(sizes=(22,))
    pos = truth[0].flip(0).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(p, data[0]), pos, atol=1e-4, rtol=1e-3)


def test_stress_formulas() -> None:
    data, truth = graphs(sizes=(40,))
    pos = truth[0].flip(0)
    x = gauge_fix(pos)
    a, b = data[0].stress_edge_index
    d, delta = (x[a] - x[b]).norm(dim=1), data[0].stress_distance
    ratio = (d / delta).log()
    assert float(log_stress(pos, data[0])) == pytest.approx(float(ratio.var(correction=0)))
    scale = (d * delta).sum() / d.square().sum()
    assert float(linear_stress(pos, data[0])) == pytest.approx(
        float((scale * d - delta).square().sum() / delta.square().sum())
    )
    assert float(ratio_stress(pos, data[0])) == pytest.approx(float((d / delta - 1).square().mean()))
    sigma = data[0].sigma
    assert float(local_stress(pos, data[0])) == pytest.approx(
        float(((d - delta).square() / (sigma[a] * sigma[b])).mean())
    )


def test_entropy_and_repulsion_formulas() -> None:
    data, truth = graphs(sizes=(40,))
    t = dense_walk(data[0], truth[0])
    assert float(walk_entropy(truth[0], data[0])) == pytest.approx(float(torch.xlogy(t, t).sum(dim=1).mean()))
    generator = torch.Generator().manual_seed(0)
    estimate = float(repulsion(truth[0], data[0], generator, pairs=200_000))
    square = (gauge_fix(truth[0])[:, None] - gauge_fix(truth[0])[None]).square().sum(-1)
    other = ~torch.eye(40, dtype=torch.bool)
    assert estimate == pytest.approx(float(torch.exp(-square[other] / 0.01).mean()), rel=0.05)
    first = repulsion(truth[0], data[0], torch.Generator().manual_seed(5))
    assert torch.equal(first, repulsion(truth[0], data[0], torch.Generator().manual_seed(5)))


def test_gate_kl_is_the_formula() -> None:
    data, _ = graphs()
    batch = Batch.from_data_list(data)
    logits = torch.randn(batch.edge_index.size(1), dtype=torch.float64)
    start, total = 0, 0.0
    for d in data:
        part = logits[start : start + d.edge_index.size(1)]
        start += part.numel()
        value = 0.0
        for i in range(d.num_nodes):
            mine = (d.edge_index[1] == i) & (d.edge_index[0] != i)
            p, q = d.gate_target[mine], torch.softmax(part[mine], 0)
            value += float((torch.xlogy(p, p) - p * q.log()).sum()) / d.num_nodes
        total += value / len(data)
    assert float(gate_kl(logits, batch)) == pytest.approx(total)
    best = torch.where(batch.gate_target > 0, batch.gate_target, 1e-300).log()
    assert float(gate_kl(best, batch)) == pytest.approx(0.0, abs=1e-9)


def test_gate_kl_refuses_other_edges() -> None:
    data, _ = graphs(sizes=(30,))
    with pytest.raises(ValueError, match="one logit for each of the"):
        gate_kl(torch.zeros(7), data[0])


def test_losses_refuse_another_batch() -> None:
    data, _ = graphs(sizes=(30, 30))
    with pytest.raises(ValueError, match="coordinates of the 60 nodes of the batch, found 30"):
        random_walk_kl(torch.rand(30, 2), Batch.from_data_list(data))


def test_energy_remembers_its_parts() -> None:
    data, truth = graphs(sizes=(30, 40))
    pos = torch.cat(truth).flip(0).requires_grad_()
    energy = geometric_energy(pos, Batch.from_data_list(data))
    assert energy.item() == pytest.approx(energy.random_walk.item() + 0.1 * energy.stress.item())
    assert type(energy * 2) is torch.Tensor
    energy.backward()
    assert pos.grad.abs().sum() > 0


def test_an_energy_is_printed_copied_and_sent_as_a_number_is() -> None:
    data, truth = graphs(sizes=(30,))
    energy = geometric_energy(truth[0].flip(0), data[0])
    assert f"{energy:.3f}" == f"{energy.item():.3f}"
    for other in (copy.deepcopy(energy), pickle.loads(pickle.dumps(energy))):
        assert type(other) is torch.Tensor
        assert other == energy


def test_bandwidths_of_other_nodes_are_refused() -> None:
    data, pos = graphs(sizes=(30,))
    with pytest.raises(
        InputError, match=r"a bandwidth for each of 30 nodes, found a torch\.float64 tensor of shape \(35,\); pass"
    ):
        inspect.unwrap(random_walk_kl_per_graph)(pos[0], data[0], sigma=torch.ones(35, dtype=torch.float64))


def test_a_prediction_without_numbers_shows_in_the_loss() -> None:
    data, pos = graphs(sizes=(30,))
    lost = pos[0].index_fill(0, torch.tensor([3]), torch.nan)
    sigma = effective_bandwidth(lost, data[0])
    assert sigma.isfinite().all()
    assert random_walk_kl(lost, data[0], sigma).isnan()


def test_transitions_of_other_edges_are_refused_and_half_precision_counts() -> None:
    data, _ = graphs(sizes=(30,))
    edges, truth = data[0].edge_index, data[0].gate_target
    call = inspect.unwrap(operator_kl)
    with pytest.raises(
        InputError, match=r"a float transition for each of \d+ edges, found a torch\.float64 tensor of shape \(\d+, 1\)"
    ):
        call(truth[:, None], edges, data[0])
    with pytest.raises(InputError, match=r"nodes 0\.\.29 in edge_index, found 5\.\.34"):
        call(truth, edges + 5, data[0])
    assert call(truth.half(), edges, data[0]).item() == pytest.approx(call(truth, edges, data[0]).item(), rel=1e-2)

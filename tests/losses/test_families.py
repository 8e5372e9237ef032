"""Losses of the further families against their formulas, pair by pair, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch_geometric.data import Batch, Data

from pyg_gears.errors import InputError
from pyg_gears.geometry import gauge_fix, nearest_neighbors
from pyg_gears.losses import (
    effective_bandwidth,
    fuzzy_cross_entropy,
    gram_distance,
    lle_error,
    neighborhood_nca,
    noise_weight,
    random_walk_js,
    random_walk_kl,
    random_walk_log_mse,
    repulsion,
    triplet_hinge,
)
from pyg_gears.targets import neighbor_count
from pyg_gears.transforms import GeometricTargets, GramFactor, TargetFamilies

LOSSES = [
    fuzzy_cross_entropy,
    triplet_hinge,
    lle_error,
    gram_distance,
    neighborhood_nca,
    random_walk_js,
    random_walk_log_mse,
]
SIZES = (30, 70)


def graphs(
    dtype: torch.dtype = torch.float64, sizes: tuple[int, ...] = SIZES, k: int | None = None
) -> tuple[list[Data], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    pos = [torch.rand(n, 2, dtype=dtype, generator=generator) for n in sizes]
    data = [GeometricTargets(k)(GramFactor()(TargetFamilies(k=k)(Data(pos=p)))) for p in pos]
    return data, pos


def dense_walk(data: Data, pos: torch.Tensor) -> torch.Tensor:
    x, n = gauge_fix(pos), len(pos)
    w = torch.zeros(n, n, dtype=pos.dtype)
    for j, i, m in zip(*data.rw_edge_index.tolist(), data.rw_multiplicity.tolist(), strict=True):
        w[i, j] = m * torch.exp(-(x[i] - x[j]).square().sum() / (data.sigma[i] * data.sigma[j] + 1e-8))
    return w / w.sum(dim=1, keepdim=True)


def test_cross_entropy_is_the_formula() -> None:
    (data,), (truth,) = graphs(sizes=(40,), k=8)
    pos = truth.flip(0)
    x, sigma = gauge_fix(pos), data.sigma

    def membership(j: int, i: int) -> float:
        return math.exp(-float((x[i] - x[j]).square().sum()) / (float(sigma[i] * sigma[j]) + 1e-8))

    inside = 0.0
    for (j, i), mu in zip(data.fuzzy_edge_index.T.tolist(), data.fuzzy_membership.tolist(), strict=True):
        q = membership(j, i)
        inside -= mu * math.log(q) + (1 - mu) * math.log(1 - q)
    outside = [-math.log(1 - membership(j, i)) for j, i in data.fuzzy_negative_index.T.tolist()]
    expected = inside / data.fuzzy_edge_index.size(1) + 0.5 * sum(outside) / len(outside)
    assert float(fuzzy_cross_entropy(pos, data)) == pytest.approx(expected)


def test_hinge_is_the_formula_and_its_margin_counts() -> None:
    (data,), (truth,) = graphs(sizes=(70,))
    x = gauge_fix(truth.flip(0))
    for margin in (0.0, 0.4):
        terms = [
            max(0.0, float((x[a] - x[n]).square().sum() - (x[a] - x[f]).square().sum()) + margin)
            for a, n, f in data.triplet_index.T.tolist()
        ]
        assert float(triplet_hinge(truth.flip(0), data, margin)) == pytest.approx(sum(terms) / len(terms))
    assert float(triplet_hinge(truth, data, 0.0)) == 0


def test_reconstruction_is_the_formula_and_blind_to_a_squeeze() -> None:
    (data,), (truth,) = graphs(sizes=(50,))
    x = gauge_fix(truth.flip(0))
    built = torch.zeros_like(x)
    for (j, i), w in zip(data.lle_edge_index.T.tolist(), data.lle_weight.tolist(), strict=True):
        built[i] += w * x[j]
    assert float(lle_error(truth.flip(0), data)) == pytest.approx(float((x - built).square().sum() / 50))
    line = truth * torch.tensor([1.0, 1e-6]).double()
    assert float(lle_error(line, data)) < 3 * float(lle_error(truth, data)) < 0.05


def test_gram_is_the_formula() -> None:
    data, truth = graphs()
    pos = [t.flip(0) for t in truth]
    expected = []
    for p, t in zip(pos, truth, strict=True):
        a, b = (gauge_fix(one) @ gauge_fix(one).T for one in (p, t))
        expected.append(float((a - b).square().sum() / b.square().sum()))
    assert float(gram_distance(torch.cat(pos), Batch.from_data_list(data))) == pytest.approx(sum(expected) / 2)


def test_nca_is_the_formula() -> None:
    data, truth = graphs(k=6)
    expected = []
    for d, t in zip(data, truth, strict=True):
        x = gauge_fix(t.flip(0))
        weight = torch.exp(-torch.cdist(x, x).square() / d.near_tau)
        weight.fill_diagonal_(0)
        near = torch.zeros_like(weight)
        near[d.near_edge_index[1], d.near_edge_index[0]] = 1
        expected.append(float(-((weight * near).sum(dim=1) / weight.sum(dim=1)).log().mean()))
    found = neighborhood_nca(torch.cat([t.flip(0) for t in truth]), Batch.from_data_list(data))
    assert float(found) == pytest.approx(sum(expected) / 2)


def test_other_divergences_of_the_walk_are_the_formulas() -> None:
    (data,), (truth,) = graphs(sizes=(60,), k=12)
    pos = truth + 0.05 * torch.randn(truth.shape, dtype=truth.dtype, generator=torch.Generator().manual_seed(1))
    t, q = dense_walk(data, truth), dense_walk(data, pos)
    js = mse = 0.0
    for step in range(1, int(data.rw_steps) + 1):
        a, b = torch.linalg.matrix_power(t, step), torch.linalg.matrix_power(q, step)
        m, there = (a + b) / 2, a > 0
        parts = torch.xlogy(a, a) - torch.xlogy(a, m) + torch.xlogy(b, b) - torch.xlogy(b, m)
        js += 0.5 ** (step - 1) * float(parts.sum()) / 2 / 60
        rows = [(a[i][there[i]].log() - b[i][there[i]].log()).square().mean() for i in range(60)]
        mse += 0.5 ** (step - 1) * float(sum(rows)) / 60
    assert float(random_walk_js(pos, data)) == pytest.approx(js, rel=1e-4)
    assert float(random_walk_log_mse(pos, data)) == pytest.approx(mse, rel=1e-3)
    far = torch.rand(60, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    assert 0 < float(random_walk_js(far, data)) < 2 * math.log(2)


@pytest.mark.parametrize("loss", [gram_distance, random_walk_js, random_walk_log_mse])
def test_the_truth_costs_nothing_under_similarities(loss) -> None:
    data, truth = graphs()
    turn = torch.tensor([[0.6, -0.8], [-0.8, -0.6]]).double()
    moved = torch.cat([30 * t @ turn + 5 for t in truth])
    assert abs(float(loss(moved, Batch.from_data_list(data)))) < 1e-10


@pytest.mark.parametrize("loss", LOSSES)
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
    moved = -7 * pos.detach().flip(1) + 3
    torch.testing.assert_close(loss(moved, Batch.from_data_list(data)), value.detach(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_and_collapsed_layouts(loss) -> None:
    (data,), (truth,) = graphs(sizes=(22,), k=5)
    pos = truth.flip(0).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: loss(p, data), pos, atol=1e-4, rtol=1e-3)
    one = torch.zeros(22, 2, dtype=torch.float64, requires_grad=True)
    value = loss(one, data)
    value.backward()
    assert torch.isfinite(value.detach())
    assert torch.isfinite(one.grad).all()


def test_effective_bandwidth_is_the_mean_of_both_without_a_gradient() -> None:
    data, truth = graphs()
    batch, pos = Batch.from_data_list(data), torch.cat([t.flip(0) ** 2 for t in truth]).requires_grad_()
    found = effective_bandwidth(pos, batch)
    assert not found.requires_grad
    expected = []
    for d, t in zip(data, truth, strict=True):
        reach = nearest_neighbors(gauge_fix(t.flip(0) ** 2), neighbor_count(len(t))).distance[:, -1]
        expected.append((d.sigma * reach).sqrt())
    torch.testing.assert_close(found, torch.cat(expected))
    torch.testing.assert_close(effective_bandwidth(torch.cat(truth), batch), batch.sigma)
    assert not torch.allclose(random_walk_kl(pos, batch, found), random_walk_kl(pos, batch))
    torch.testing.assert_close(random_walk_kl(pos, batch, batch.sigma), random_walk_kl(pos, batch))


def test_noise_weight_is_full_below_and_falls_with_the_square() -> None:
    found = noise_weight(torch.tensor([0.0, 0.1, 0.5, 1.0, 5.0]), 0.5)
    assert found.tolist() == pytest.approx([1, 1, 1, 0.25, 0.01])


def test_missing_targets_name_their_transform() -> None:
    data = GeometricTargets()(Data(pos=torch.rand(9, 2)))
    cases = {fuzzy_cross_entropy: "fuzzy_edge_index", triplet_hinge: "triplet_index", lle_error: "lle_edge_index"}
    for loss, name in (cases | {neighborhood_nca: "near_edge_index"}).items():
        with pytest.raises(InputError, match=f"expected {name} in the batch, found none; apply TargetFamilies"):
            loss(torch.rand(9, 2), data)
    with pytest.raises(InputError, match="expected gram_factor in the batch, found none; apply GramFactor"):
        gram_distance(torch.rand(9, 2), data)
    data.triplet_index = torch.zeros(2, 4, dtype=torch.long)
    with pytest.raises(
        InputError, match=r"expected triplet_index of shape \(3, t\), found \(2, 4\); apply TargetFamilies"
    ):
        triplet_hinge(torch.rand(9, 2), data)


def test_choices_out_of_their_range_are_refused() -> None:
    parts, places = graphs()
    data, pos, generator = Batch.from_data_list(parts), torch.cat(places), torch.Generator()
    with pytest.raises(InputError, match=r"expected a margin of at least 0, found -0\.1; raise it"):
        triplet_hinge(pos, data, margin=-0.1)
    with pytest.raises(InputError, match=r"expected a noise level above 0 to start from, found 0\.0; raise start"):
        noise_weight(torch.ones(2), 0.0)
    with pytest.raises(InputError, match="expected pairs to be a whole number above 0, found 0; give one"):
        repulsion(pos, data, generator, pairs=0)
    with pytest.raises(InputError, match=r"expected a range of the repulsion above 0, found 0\.0; raise tau"):
        repulsion(pos, data, generator, tau=0.0)

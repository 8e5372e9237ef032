from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_gears.encoders import spatial_infonce
from pyg_gears.encoders.spatial_infonce import far_pairs, neighbors_within
from pyg_gears.errors import InputError
from pyg_gears.geometry import nearest_neighbors


def batch(n: int = 45, c: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two views, neighbours (some absent, two spots without any) and far pairs."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, c, generator=generator, dtype=torch.float64) for _ in range(2))
    pos = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    neighbors = nearest_neighbors(pos, 4).index
    neighbors[torch.rand(neighbors.shape, generator=generator) < 0.3] = -1
    neighbors[[0, 7]] = -1
    return a, b, neighbors, torch.cdist(pos, pos) > 0.5


def slow(a: Tensor, b: Tensor, neighbors: Tensor, far: Tensor, temperature: float, weight: float) -> float:
    """The definition, spot by spot."""
    n = len(a)
    unit_a, unit_b = (x / x.norm(dim=1, keepdim=True) for x in (a, b))
    losses = []
    for i in range(n):
        positives = [j for j in neighbors[i].tolist() if j >= 0]
        if not positives:
            continue
        logit = {j: float(unit_a[i] @ unit_b[j]) / temperature for j in range(n) if j != i}
        hard = sorted((j for j in logit if far[i, j]), key=lambda j: -logit[j])[:20]
        total = sum((1 + weight * (j in hard)) * math.exp(value) for j, value in logit.items())
        losses.append(-sum(math.log(math.exp(logit[j]) / total) for j in positives) / len(positives))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.15, 1.0])
@pytest.mark.parametrize("weight", [0.0, 2.5])
def test_the_loss_is_the_definition(temperature: float, weight: float) -> None:
    a, b, neighbors, far = batch()
    count = far.sum(dim=1)
    assert count.min() < 20 < count.max()  # spots with fewer and with more far ones than count
    found = spatial_infonce(a, b, neighbors, temperature=temperature, hard_weight=weight, far=far)
    assert float(found) == pytest.approx(slow(a, b, neighbors, far, temperature, weight), rel=1e-10)


def test_far_pairs_matter_only_to_hard_negatives() -> None:
    a, b, neighbors, far = batch()
    plain = spatial_infonce(a, b, neighbors)
    assert torch.equal(plain, spatial_infonce(a, b, neighbors, far=far))
    assert torch.equal(plain, spatial_infonce(a, b, neighbors, hard_weight=3.0, far=torch.zeros_like(far)))
    assert spatial_infonce(a, b, neighbors, hard_weight=3.0, far=far) > plain


@pytest.mark.parametrize("weight", [0.0, 2.5])
def test_gradients_are_those_of_the_loss(weight: float) -> None:
    a, b, neighbors, far = batch(12, 3)
    a, b = a.requires_grad_(), b.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: spatial_infonce(a, b, neighbors, hard_weight=weight, far=far), (a, b))


def by_autograd(a: Tensor, b: Tensor, neighbors: Tensor, far: Tensor, temperature: float, weight: float) -> Tensor:
    """The formula over whole matrices, whose gradient autograd finds."""
    logits = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    logits = logits.masked_fill(torch.eye(len(a), dtype=torch.bool), -torch.inf)
    value, place = logits.detach().masked_fill(~far, -torch.inf).topk(20, dim=1)
    bonus = torch.zeros_like(logits).scatter(1, place, weight * value.isfinite().to(logits))
    present = neighbors >= 0
    share = logits.gather(1, neighbors.clamp(min=0)) - (logits + bonus.log1p()).logsumexp(dim=1, keepdim=True)
    share = torch.where(present, share, 0.0).sum(dim=1)
    return -(share / present.sum(dim=1)).nansum() / present.any(dim=1).sum()


@pytest.mark.parametrize("temperature", [0.005, 0.15, 1.0])
@pytest.mark.parametrize("weight", [0.0, 2.5])
def test_loss_and_gradient_are_those_of_autograd(temperature: float, weight: float) -> None:
    a, b, neighbors, far = batch()
    a, b = a.requires_grad_(), b.requires_grad_()
    expected = by_autograd(a, b, neighbors, far, temperature, weight)
    found = spatial_infonce(a, b, neighbors, temperature=temperature, hard_weight=weight, far=far)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    # Times 3: what comes from above is multiplied, not taken for 1.
    gradients = zip(torch.autograd.grad(3 * found, (a, b)), torch.autograd.grad(3 * expected, (a, b)), strict=True)
    for ours, theirs in gradients:
        assert theirs.abs().max() > 1e-4
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_single_precision_holds_at_low_temperature() -> None:
    """Softmaxes of logits between -200 and 200, which overflow unless they are taken relative to the largest."""
    a, b, neighbors, _ = batch()
    exact, found = (spatial_infonce(x, y, neighbors, temperature=0.005) for x, y in ((a, b), (a.float(), b.float())))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0)


def test_autocast_leaves_loss_and_gradient_as_they_are() -> None:
    a, b, neighbors, _ = batch()
    a, b = a.float().requires_grad_(), b.float()
    expected = spatial_infonce(a, b, neighbors)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = spatial_infonce(a, b, neighbors)
    assert torch.equal(found, expected)
    assert torch.equal(*torch.autograd.grad(found, a), *torch.autograd.grad(expected, a))


def test_numbering_and_length_do_not_matter() -> None:
    a, b, neighbors, far = batch()
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(1))
    place = order.argsort()
    renumbered = torch.where(neighbors >= 0, place[neighbors.clamp(min=0)], -1)[order]
    found = spatial_infonce(2 * a[order], 3 * b[order], renumbered, hard_weight=1.0, far=far[order][:, order])
    torch.testing.assert_close(found, spatial_infonce(a, b, neighbors, hard_weight=1.0, far=far))


def test_an_embedding_that_is_the_tissue_costs_less_than_noise() -> None:
    angle = torch.linspace(0, 6, 40)
    ring = torch.stack([angle.cos(), angle.sin()], dim=1)
    neighbors = nearest_neighbors(ring, 4).index
    noise = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    assert spatial_infonce(ring, ring, neighbors) + 1 < spatial_infonce(noise, noise, neighbors)


@pytest.mark.parametrize("n", [1, 6])
def test_without_neighbors_the_loss_is_zero_with_a_gradient(n: int) -> None:
    a = torch.randn(n, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = spatial_infonce(a, a, torch.full((n, 2), -1))
    loss.backward()
    assert loss == 0
    assert a.grad is not None
    assert (a.grad == 0).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_rows_have_a_finite_gradient(value: float) -> None:
    _, _, neighbors, far = batch()
    a = torch.full((len(neighbors), 4), value, requires_grad=True)
    loss = spatial_infonce(a, a, neighbors, hard_weight=1.0, far=far)
    loss.backward()
    assert torch.isfinite(loss)
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_numbers_out_of_range_and_hard_negatives_without_far_pairs_are_refused() -> None:
    a, b, neighbors, _ = batch()
    for wrong in ({"temperature": 0.0}, {"hard_weight": -1.0}):
        with pytest.raises(ValueError, match=r"expected a (temperature above 0|hard_weight of at least 0), found"):
            spatial_infonce(a, b, neighbors, **wrong)
    with pytest.raises(ValueError, match="expected the far pairs for its hard negatives, found none"):
        spatial_infonce(a, b, neighbors, hard_weight=1.0)


def test_neighbors_are_renumbered_to_places_among_the_rows() -> None:
    generator = torch.Generator().manual_seed(2)
    neighbors = nearest_neighbors(torch.rand(30, 2, generator=generator), 5).index
    rows = torch.randperm(30, generator=generator)[:13]
    places = rows.tolist()
    expected = [[places.index(j) if j in places else -1 for j in neighbors[i].tolist()] for i in places]
    assert neighbors_within(neighbors, rows).tolist() == expected
    assert any(-1 in row for row in expected)


def test_far_is_three_times_the_reach_of_the_first_spot() -> None:
    pos = torch.rand(60, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    far = far_pairs(pos, 3)
    for i in range(60):
        distance = [float((pos[i] - pos[j]).norm()) for j in range(60)]
        reach = sorted(distance)[3]  # the first is the spot itself
        assert far[i].tolist() == [d > 3 * reach for d in distance]
    assert not torch.equal(far, far.T)


def test_what_has_no_neighbour_has_no_far_pairs() -> None:
    pos = torch.rand(9, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="expected k to be a whole number above 0, found 0; give one"):
        far_pairs(pos, 0)
    with pytest.raises(InputError, match="expected at least 2 spots, found 1; one has no neighbour"):
        far_pairs(pos[:1], 3)

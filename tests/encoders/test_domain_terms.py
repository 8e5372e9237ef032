"""The terms of the published encoder against their formulas, written out slowly in float64."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from pyg_gears.encoders import group_distance, moment_distance, mutual_infonce, neighbor_consistency
from pyg_gears.errors import InputError
from tests.slow_moments import slow_moments


def rows(n: int, seed: int, c: int = 3) -> torch.Tensor:
    return torch.randn(n, c, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return sum(p * q for p, q in zip(a, b, strict=True)) / (sum(a**2) * sum(b**2)) ** 0.5


def test_moments_are_compared_entry_by_entry() -> None:
    x, y = rows(7, 0), 2 * rows(5, 1) + 0.3
    assert float(moment_distance(x, y)) == pytest.approx(slow_moments(x.numpy(), y.numpy()), rel=1e-12)
    assert float(moment_distance(x, x.flip(0))) < 1e-30
    shifted = moment_distance(x, x + 0.5)
    assert float(shifted) == pytest.approx(0.25, rel=1e-12)  # coral alone would see nothing
    assert torch.autograd.gradcheck(moment_distance, (x.requires_grad_(), y.requires_grad_()))


def test_groups_are_compared_pair_by_pair_where_they_are_large_enough() -> None:
    x = rows(6 + 5 + 4 + 7, 2)
    group = torch.tensor([3] * 6 + [0] * 5 + [8] * 4 + [5] * 7)
    parts = [x[:6].numpy(), x[6:11].numpy(), x[15:].numpy()]  # four rows are too few
    expected = np.mean([slow_moments(a, b) for a, b in combinations(parts, 2)])
    assert float(group_distance(x, group)) == pytest.approx(expected, rel=1e-12)
    few = x[:6].clone().requires_grad_()
    alone = group_distance(few, group[:6])
    assert alone.item() == 0.0
    assert torch.equal(torch.autograd.grad(alone, few)[0], torch.zeros_like(few))


def slow_mutual(x: np.ndarray, y: np.ndarray, least: float, tau: float) -> float:
    s = np.array([[slow_cosine(a, b) for b in y] for a in x])
    pairs = [
        (i, j)
        for i in range(len(x))
        for j in range(len(y))
        if s[i, j] == s[i].max() and s[i, j] == s[:, j].max() and s[i, j] >= least
    ]
    total = 0.0
    for i, j in pairs:
        top = np.exp(s[i, j] / tau)
        total -= np.log(top / sum(np.exp(s[i] / tau))) + np.log(top / sum(np.exp(s[:, j] / tau)))
    return total / (2 * len(pairs)) if pairs else 0.0


@pytest.mark.parametrize("least", [-1.0, 0.2, 0.9])
def test_mutual_neighbours_are_the_positives_of_both_directions(least: float) -> None:
    x, y = rows(9, 3), rows(6, 4)
    expected = slow_mutual(x.numpy(), y.numpy(), least, 0.5)
    assert float(mutual_infonce(x, y, least=least, temperature=0.5)) == pytest.approx(expected, rel=1e-10)
    assert float(mutual_infonce(y, x, least=least, temperature=0.5)) == pytest.approx(expected, rel=1e-10)
    assert expected > 0


def test_without_a_mutual_pair_there_is_nothing_to_learn() -> None:
    x, y = rows(4, 5).requires_grad_(), rows(4, 6)
    loss = mutual_infonce(x, -x.detach() * 0 + torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64), least=1.0)
    assert loss.item() == 0.0
    assert torch.equal(torch.autograd.grad(loss, x)[0], torch.zeros_like(x))
    with pytest.raises(InputError, match="expected two sets with the same channels"):
        mutual_infonce(x, y[:, :2])
    for wrong in ({"temperature": 0.0}, {"least": 2.0}):
        with pytest.raises(InputError, match=r"expected a (temperature above 0|least cosine in \[-1, 1\]), found"):
            mutual_infonce(x, y, **wrong)


def test_mutual_neighbours_are_drawn_together() -> None:
    x, y = rows(8, 9), rows(8, 9) + 0.5 * rows(8, 10)
    y.requires_grad_()
    (slope,) = torch.autograd.grad(mutual_infonce(x, y, temperature=0.5), y)
    moved = (y - 0.01 * slope).detach()
    assert mutual_infonce(x, moved, temperature=0.5) < mutual_infonce(x, y.detach(), temperature=0.5)


def test_neighbours_come_from_the_cache_and_have_no_gradient() -> None:
    x, cached = rows(4, 7).requires_grad_(), rows(9, 8).requires_grad_()
    near = torch.tensor([[0, 3], [8, 1], [2, 2], [5, 6]])
    expected = -np.mean(
        [
            slow_cosine(a, cached[j].detach().numpy())
            for a, one in zip(x.detach().numpy(), near, strict=True)
            for j in one
        ]
    )
    loss = neighbor_consistency(x, cached, near)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    found = torch.autograd.grad(loss, [x, cached], allow_unused=True)
    assert found[1] is None
    assert float(found[0].abs().max()) > 0

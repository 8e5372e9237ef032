"""The published losses on sets of points, each against a slow statement of it on one set, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pyg_gears.losses.latent import (
    alignment_error,
    edge_log_error,
    gram_error,
    local_scale_error,
    log_radius_error,
    neighborhood_error,
    overlap_terms,
    relative_gram_error,
    shape_of,
    true_edges,
    variance_outside_plane,
)

D, K = 5, 4
SIZES = [11, 6, 8]


def points(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sets() -> tuple[Tensor, Tensor, Tensor]:
    """Three sets of unequal size; what lies in places without a node must not matter."""
    mask = torch.arange(11) < torch.tensor(SIZES)[:, None]
    v = points(3, 11, D).masked_fill(~mask[..., None], 7.0)
    return v, points(3, 11, 2, seed=1).masked_fill(~mask[..., None], -5.0), mask


def unit(x: Tensor) -> Tensor:
    x = x - x.mean(dim=0)
    return x / x.square().sum(dim=1).mean().sqrt()


def near(t: Tensor, i: int) -> list[int]:
    return sorted((j for j in range(len(t)) if j != i), key=lambda j: float((t[i] - t[j]).norm()))[:K]


def slow_gram(v: Tensor, t: Tensor) -> float:
    s, t = unit(v), unit(t)
    return float(torch.stack([(s[i] @ s[j] - t[i] @ t[j]) ** 2 for i in range(len(s)) for j in range(len(s))]).mean())


def slow_relative_gram(v: Tensor, t: Tensor) -> float:
    s, t = unit(v), unit(t)
    pairs = [(i, j) for i in range(len(s)) for j in range(len(s)) if i != j]
    off = sum(float(s[i] @ s[j] - t[i] @ t[j]) ** 2 for i, j in pairs) / sum(float(t[i] @ t[j]) ** 2 for i, j in pairs)
    radii = [(float(a @ a), float(b @ b)) for a, b in zip(s, t, strict=True)]
    return off + 0.5 * sum((a - b) ** 2 for a, b in radii) / sum(b**2 for _, b in radii)


def slow_edge(v: Tensor, t: Tensor) -> float:
    s, t = unit(v), unit(t)
    logs = [math.log((s[i] - s[j]).norm() / (t[i] - t[j]).norm()) for i in range(len(s)) for j in near(t, i)]
    return sum(x**2 for x in logs) / len(logs)


def slow_scale(v: Tensor, t: Tensor) -> float:
    logs = [2 * math.log((v[i] - v[j]).norm() / (t[i] - t[j]).norm()) for i in range(len(v)) for j in near(t, i)]
    return sum(max(-2.0, min(2.0, x)) ** 2 for x in logs) / len(logs)


def slow_neighborhood(v: Tensor, t: Tensor) -> float:
    s, t = unit(v), unit(t)

    def kth(x: Tensor) -> float:
        return float(torch.stack([(x[i] - x[near(x, i)[-1]]).square().sum() for i in range(len(x))]).median())

    tau = kth(t) * max(0.25, min(4.0, kth(s) / kth(t)))
    total = []
    for i in range(len(s)):
        others = [j for j in range(len(s)) if j != i]
        logits = torch.stack([-(s[i] - s[j]).square().sum() / tau for j in others]).log_softmax(dim=0)
        total += [float(logits[others.index(j)]) for j in near(t, i)]
    return -sum(total) / len(total)


def slow_subspace(v: Tensor, t: Tensor) -> float:
    variance = torch.linalg.svdvals(v - v.mean(dim=0)).square()
    return float(variance[2:].sum() / variance.sum())


def slow_alignment(v: Tensor, t: Tensor) -> float:
    s = unit(v)
    padded = torch.cat([unit(t), torch.zeros(len(t), D - 2, dtype=torch.float64)], dim=1)
    u, _, wt = torch.linalg.svd(s.T @ padded)
    return float((s @ u @ wt - padded).square().mean())


def slow_radius(v: Tensor, t: Tensor) -> float:
    return float(((v - v.mean(0)).norm() / (t - t.mean(0)).norm()).log() ** 2)


LOSSES: dict[str, tuple[Callable[..., Tensor], Callable[[Tensor, Tensor], float]]] = {
    "gram": (gram_error, slow_gram),
    "relative gram": (lambda v, t, mask=None: relative_gram_error(v, t, mask, floor=0.0), slow_relative_gram),
    "edge": (lambda v, t, mask=None: edge_log_error(v, t, true_edges(t, mask, K), mask), slow_edge),
    "local scale": (lambda v, t, mask=None: local_scale_error(v, t, true_edges(t, mask, K)), slow_scale),
    "neighborhood": (lambda v, t, mask=None: neighborhood_error(v, t, true_edges(t, mask, K), mask), slow_neighborhood),
    "subspace": (lambda v, t, mask=None: variance_outside_plane(v, mask), slow_subspace),
    "alignment": (alignment_error, slow_alignment),
    "log radius": (log_radius_error, slow_radius),
}


@pytest.mark.parametrize("name", LOSSES)
def test_equals_the_statement_in_any_company(name: str) -> None:
    loss, slow = LOSSES[name]
    v, target, mask = sets()
    expected = [slow(v[b, :n], target[b, :n]) for b, n in enumerate(SIZES)]
    assert loss(v, target, mask).tolist() == pytest.approx(expected, rel=1e-6)
    for b, n in enumerate(SIZES):
        assert loss(v[b : b + 1, :n], target[b : b + 1, :n]).tolist() == pytest.approx([expected[b]], rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_turning_and_numbering_change_nothing_and_the_truth_is_best(name: str) -> None:
    loss, _ = LOSSES[name]
    v, target, mask = sets()
    turn, order = torch.linalg.qr(points(D, D, seed=2))[0], torch.tensor([3, 0, 5, 1, 2, 4])
    expected = loss(v, target, mask)
    torch.testing.assert_close(loss(v @ turn + points(3, 1, D, seed=3), target, mask), expected)
    flipped = loss(v, target * torch.tensor([1.0, -1.0]), mask)
    torch.testing.assert_close(flipped, expected)
    torch.testing.assert_close(
        loss(v[:, order], target[:, order], mask[:, order]), loss(v[:, :6], target[:, :6], mask[:, :6])
    )
    true = torch.cat([target, torch.zeros(3, 11, D - 2, dtype=torch.float64)], dim=2) @ turn
    best = loss(true, target, mask)
    assert (best <= expected).all()
    if name != "neighborhood":  # a probability below 1 remains
        assert best.abs().max() < 1e-9


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name: str) -> None:
    """The numerical one is asked of losses whose every part has a gradient: no size or temperature is held fixed."""
    loss, _ = LOSSES[name]
    v, target, mask = sets()
    v = v.requires_grad_()
    if name in ("gram", "local scale", "alignment", "log radius"):
        assert torch.autograd.gradcheck(lambda x: loss(x, target, mask), v, atol=1e-5)
    loss(v, target, mask).sum().backward()
    assert torch.isfinite(v.grad).all()
    assert v.grad[mask].abs().sum() > 0
    assert torch.equal(v.grad[~mask], torch.zeros_like(v.grad[~mask]))
    for odd in (
        torch.zeros(1, 6, D),
        torch.ones(1, 1, D),
        torch.cat([torch.zeros(1, 5, D), torch.ones(1, 1, D)], dim=1),
    ):
        odd = odd.requires_grad_()
        value = loss(odd, torch.zeros(1, odd.size(1), 2)).sum()
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(odd.grad).all()


def test_the_floor_of_the_gram_error_is_a_share_of_the_batchs_median() -> None:
    v, target, _ = sets()
    target = target[:, :6].clone()
    # Points on a cross: nearly no inner product between different ones.
    target[0] = torch.tensor([[9.0, 0], [-9, 0], [0, 0.1], [0, -0.1], [0, 0], [0, 0]])
    plain, floored = (relative_gram_error(v[:, :6], target, floor=f, diagonal=0.0) for f in (0.0, 1.0))
    sizes = []
    for b in range(3):
        gram = unit(target[b]) @ unit(target[b]).T
        sizes.append(float((gram.square().sum() - gram.diagonal().square().sum()) / 30))
    median = sorted(sizes)[1]
    expected = [float(plain[b]) * sizes[b] / max(sizes[b], median) for b in range(3)]
    assert floored.tolist() == pytest.approx(expected)
    assert not torch.allclose(plain, floored)


def test_shape_has_neither_place_nor_size() -> None:
    v, _, mask = sets()
    for b, n in enumerate(SIZES):
        torch.testing.assert_close(shape_of(v, mask)[b, :n], unit(v[b, :n]))
    assert torch.equal(shape_of(v, mask)[~mask], torch.zeros(8, D, dtype=torch.float64))
    x = points(1, 6, D).requires_grad_()
    shape_of(x, fixed_size=True)[0, 0].sum().backward()
    size = float((x - x.mean(dim=1)).detach().square().sum(dim=2).mean().sqrt())
    assert x.grad[0, 1, 0].item() == pytest.approx(-1 / 6 / size)


def test_overlap_equals_its_statement_and_the_first_view_teaches() -> None:
    first, second = points(3, 11, D).requires_grad_(), points(3, 11, D, seed=4).requires_grad_()
    mask = torch.arange(11) < torch.tensor(SIZES)[:, None]
    found = overlap_terms(first, second, mask, tau=0.7)
    for b, n in enumerate(SIZES):
        a, c = (x[b, :n].detach() - x[b, :n].detach().mean(dim=0) for x in (first, second))
        ga, gc = a @ a.T, c @ c.T
        assert found.gram[b].item() == pytest.approx(float((ga / ga.trace() - gc / gc.trace()).square().mean()))
        assert found.size[b].item() == pytest.approx(float((ga.trace() / gc.trace()).log() ** 2))
        total = 0.0
        for i in range(n):
            rest = [j for j in range(n) if j != i]
            p, q = (torch.stack([-(x[i] - x[j]).square().sum() / 0.7 for j in rest]).softmax(0) for x in (a, c))
            total += float(0.5 * ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()))
        assert found.neighbors[b].item() == pytest.approx(total / n)
    sum(part.sum() for part in found).backward()
    assert first.grad is None
    assert torch.isfinite(second.grad).all()
    same = overlap_terms(first.detach(), first.detach() @ torch.linalg.qr(points(D, D))[0] + 3, mask)
    assert max(float(part.abs().max()) for part in same) < 1e-12

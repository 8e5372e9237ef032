"""Parts of the published model: preconditioning, levels, sampler, scales, gates, curriculum, plane, pairs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pyg_gears.models.generator_diffusion import (
    Competence,
    Curriculum,
    NoiseGate,
    ResidualScale,
    ScoreScale,
    draw_levels,
    edm_preconditioning,
    heun_sample,
    karras_levels,
    majorised,
    neighbor_overlap,
    principal_plane,
    score_weight,
)
from pyg_gears.models.generator_diffusion.conditioning import scaled_context
from pyg_gears.models.generator_diffusion.denoiser import angle_gate


def points(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_preconditioning_keeps_everything_at_unit_size() -> None:
    sigma, scale = torch.tensor([0.01, 0.2, 3.0], dtype=torch.float64), torch.tensor(0.2, dtype=torch.float64)
    factor = edm_preconditioning(sigma, scale)
    for i, s in enumerate(sigma.tolist()):
        total = s * s + 0.04
        expected = (0.04 / total, s * 0.2 / math.sqrt(total), 1 / math.sqrt(total), math.log(s) / 4)
        assert [float(part[i]) for part in factor] == pytest.approx(expected)
        # The target of F has unit variance: (x0 - c_skip (x0 + s e)) / c_out.
        assert ((1 - expected[0]) * 0.2) ** 2 + (expected[0] * s) ** 2 == pytest.approx(expected[1] ** 2)
        # An error of F counts the same at every level.
        assert float(score_weight(sigma, scale)[i]) * expected[1] ** 2 == pytest.approx(1.0)
    assert angle_gate(torch.tensor([0.3, 0.0, 5.0])).tolist() == pytest.approx([0.5, 1 / (1 + math.exp(-6)), 0.0])


def test_levels_of_the_sampler_and_its_order() -> None:
    levels = karras_levels(2.0, 0.01, 5)
    by_hand = [(2 ** (1 / 7) + i / 4 * (0.01 ** (1 / 7) - 2 ** (1 / 7))) ** 7 for i in range(5)]
    assert levels == pytest.approx([*by_hand, 0.0])
    assert karras_levels(2.0, 0.01, 1) == pytest.approx([2.0, 0.0])
    # Gaussian data of size 0.3: the flow is known, x(s) proportional to sqrt(s^2 + 0.09).
    start, errors = points(1, 4, 2), []
    for steps in (20, 40):
        found = heun_sample(lambda x, s: x * 0.09 / (s**2 + 0.09), start, karras_levels(3.0, 1e-3, steps))
        errors.append(float((found - start * 0.3 / math.sqrt(9 + 0.09)).abs().max()))
    assert errors[0] < 5e-3
    assert errors[1] < 0.4 * errors[0]  # second order: a quarter


def test_training_levels_are_drawn_as_stated() -> None:
    def draw(**changes: float) -> Tensor:
        options = {"low": 0.01, "cap": 0.14, "high_share": 0.3, "unit": 1.0} | changes
        return draw_levels(20_000, **options, generator=torch.Generator().manual_seed(0))

    high = draw(high_share=1.0)
    assert high.min() >= 0.6 * 0.14 - 1e-6
    assert high.max() <= 0.14
    assert float((high.log() < math.log(0.14 * math.sqrt(0.6))).float().mean()) == pytest.approx(0.5, abs=0.02)
    plain = draw(high_share=0.0, cap=50.0, low=1e-6).log()
    assert (float(plain.mean()), float(plain.std())) == pytest.approx((-1.2, 1.2), abs=0.03)
    # As published, most of the low levels of a small data scale lie on the cap; in its unit they do not.
    on_cap = [float((draw(high_share=0.0, cap=0.035, unit=u) >= 0.035).float().mean()) for u in (1.0, 0.035 / 0.5)]
    normal = torch.distributions.Normal(0.0, 1.0)
    beyond = [1 - float(normal.cdf(torch.tensor((math.log(x) + 1.2) / 1.2))) for x in (0.035, 0.5)]
    assert on_cap == pytest.approx(beyond, abs=0.01)
    assert on_cap[0] > 0.95
    assert draw().min() >= 0.01


def test_the_scale_is_that_of_targets_and_then_once_of_residuals() -> None:
    scale = ResidualScale()
    first = torch.linspace(0.1, 0.2, 60)
    for part in first.split(20):
        scale.update(part, 0.1 * part, lock=False)
    assert float(scale.value) == pytest.approx(float(first[:40].median()))
    scale.update(first[:1], torch.tensor([0.5]), lock=True)
    latest = torch.cat([0.1 * first, torch.tensor([0.5])])[-40:]
    assert float(scale.value) == pytest.approx(float(latest.median()))
    scale.update(first, first, lock=True)
    scale.update(first, first, lock=False)
    assert float(scale.value) == pytest.approx(float(latest.median()))


def test_the_gate_lets_the_cleanest_share_pass_and_at_least_four() -> None:
    gate, generator = NoiseGate({"edge": 0.3}), torch.Generator().manual_seed(0)
    every = torch.ones(10, dtype=torch.bool)
    score = torch.rand(10, generator=generator)
    assert gate.passes("edge", score, every).all()  # the warm-up
    for _ in range(300):
        gate.update(torch.rand(10, generator=generator))
    assert float(gate.threshold) == pytest.approx(0.3, abs=0.04)
    score = torch.linspace(0, 1, 10)
    assert gate.passes("edge", score, every).nonzero()[:, 0].tolist() == [0, 1, 2, 3]
    assert gate.passes("edge", 0.2 * score, every).all()
    assert gate.passes("edge", score, score > 0.5).nonzero()[:, 0].tolist() == [5, 6, 7, 8]
    few = (score > 0.85).clone()
    assert gate.passes("edge", score, few).equal(few)


def test_weights_are_capped_softly_and_the_noisiest_rise_later() -> None:
    scale = ScoreScale()
    weight, sigma = torch.tensor([1.0, 2.0, 50.0, 4.0]), torch.tensor([4.0, 3.0, 0.1, 2.0])
    scale.update(weight, torch.tensor([]))
    cap = float(weight.quantile(0.95))
    assert scale.weights(weight, sigma, True).tolist() == pytest.approx(
        [cap * math.tanh(w / cap) for w in weight.tolist()]
    )
    scale.update(weight, torch.tensor([1.0]))  # e times too large
    assert not scale.is_boosting
    for _ in range(400):
        scale.update(weight, torch.tensor([0.0]))
        if scale.is_boosting:
            break
    began = scale.weights(weight, sigma, True)
    plain = scale.weights(weight, sigma, False)
    assert began[0] / plain[0] == pytest.approx(1 + 7 / 200)
    for _ in range(400):
        scale.update(weight, torch.tensor([3.0]))
    factor = scale.weights(weight, sigma, True) / scale.weights(weight, sigma, False)
    assert factor.tolist() == pytest.approx([8.0, 1.0, 1.0, 1.0])  # 4 for the quarter, twice that for the tail


def test_a_budget_has_four_stages_and_a_fifth_of_the_run_at_the_top() -> None:
    curriculum = Curriculum("budget", min_steps=10, ramp=20)
    curriculum.planned.fill_(300)
    caps, stages = [], []
    for _ in range(300):
        caps.append(curriculum.cap)
        stages.append(int(curriculum.stage))
        curriculum.advance(jaccard=None, size=None)
    assert [stages.count(s) for s in range(4)] == [80, 80, 80, 60]
    assert (caps[79], caps[100], caps[90], caps[299]) == pytest.approx((1.0, 2.0, 1.5, 4.0))
    assert (curriculum.progress, curriculum.high_share) == (1.0, 0.5)
    short = Curriculum("budget", min_steps=500)
    short.planned.fill_(600)
    for _ in range(600):
        short.advance(jaccard=None, size=None)
    assert int(short.stage) == 1


def test_competence_promotes_holds_and_demotes() -> None:
    judge = Competence()

    def judged(jaccard: float, size: float, times: int, stage: int = 0) -> list[int]:
        moves = []
        for _ in range(times):
            judge.measure(jaccard - 0.01, size)
            judge.measure(jaccard + 0.01, size)
            moves.append(judge.judge(stage))
        return moves

    assert judged(0.3, 0.9, 5) == [0, 0, 0, 0, 1]
    assert judged(0.3, 0.8, 7) == [0] * 7  # too small for the first stage
    judge.reset_parameters()
    assert judged(0.3, 0.8, 5, stage=1) == [0, 0, 0, 0, 1]
    assert judged(0.05, 0.9, 7, stage=1) == [0, 0, 0, 0, 0, -1, 0]
    judge.reset_parameters()
    falling = [judged(0.5 * 0.8**i, 0.9, 1)[0] for i in range(6)]
    assert falling[:5] == [0] * 5  # 0.50 to 0.16: enough, but falling
    assert judge.judge(0) == 0  # nothing measured
    curriculum = Curriculum("competence", every=2, ramp=0)
    for _ in range(10):
        curriculum.advance(jaccard=0.4, size=0.95)
    assert int(curriculum.stage) == 1
    for _ in range(12):
        curriculum.advance(jaccard=0.01, size=0.95)
    assert int(curriculum.stage) == 0


def test_context_has_one_size_and_no_gradient_of_it() -> None:
    h, mask = points(2, 5, 3), torch.tensor([[True] * 5, [True, True, False, False, False]])
    found = scaled_context(7 * h, mask)
    for b, n in ((0, 5), (1, 2)):
        torch.testing.assert_close(found[b, :n], 0.5 * h[b, :n] / h[b, :n].square().mean().sqrt())
    assert torch.equal(found[1, 2:], torch.zeros(3, 3, dtype=torch.float64))
    torch.testing.assert_close(scaled_context(h, None), scaled_context(3 * h, None))
    x = h.clone().requires_grad_()
    scaled_context(x, None)[0, 0, 0].backward()
    assert int((x.grad != 0).sum()) == 1


def test_the_plane_is_classical_scaling_and_majorisation_lowers_the_stress() -> None:
    flat = points(1, 15, 2) * torch.tensor([2.0, 1.0])
    turn = torch.linalg.qr(points(6, 6, seed=1))[0][:2]
    torch.testing.assert_close(
        torch.cdist(principal_plane(flat @ turn, None), flat * 0)[0, :, 0], (flat - flat.mean(1)).norm(dim=2)[0]
    )
    torch.testing.assert_close(torch.pdist(principal_plane(flat @ turn, None)[0]), torch.pdist(flat[0]))
    v, mask = points(2, 12, 4, seed=2), torch.arange(12) < torch.tensor([12, 7])[:, None]
    v = v.masked_fill(~mask[..., None], 9.0)
    start = principal_plane(v, mask)

    def stress(pos: Tensor, b: int, n: int) -> float:
        return float((torch.pdist(pos[b, :n]) - torch.pdist(v[b, :n])).square().sum())

    for b, n in ((0, 12), (1, 7)):
        alone = principal_plane(v[b : b + 1, :n], None)
        torch.testing.assert_close(start[b, :n], alone[0])
        moved = majorised(start, v, mask, 5)
        torch.testing.assert_close(moved[b, :n], majorised(alone, v[b : b + 1, :n], None, 5)[0])
        history = [stress(majorised(start, v, mask, rounds), b, n) for rounds in range(6)]
        assert history == sorted(history, reverse=True)
        assert history[-1] < 0.9 * history[0]
    x = v[:1].clone().requires_grad_()
    principal_plane(x, None).square()[0, :3].sum().backward()
    assert torch.isfinite(x.grad).all()
    same = torch.zeros(1, 4, 3, requires_grad=True)
    majorised(principal_plane(same, None), same, None, 3)
    principal_plane(same, None).sum().backward()
    assert torch.isfinite(same.grad).all()


def test_overlap_of_neighbours() -> None:
    v, target = points(2, 20, 3), points(2, 20, 2, seed=1)
    mask = torch.arange(20) < torch.tensor([20, 17])[:, None]
    found = neighbor_overlap(v, target, mask)
    for b, n in ((0, 20), (1, 17)):
        total = 0.0
        for i in range(n):
            near = [
                set(sorted((j for j in range(n) if j != i), key=lambda j: float((x[b, i] - x[b, j]).norm()))[:15])
                for x in (v, target)
            ]
            total += len(near[0] & near[1]) / len(near[0] | near[1])
        assert float(found[b]) == pytest.approx(total / n)
    assert neighbor_overlap(target, target, mask).tolist() == pytest.approx([1.0, 1.0])

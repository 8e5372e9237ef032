from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_gears.encoders import (
    ExpressionNetwork,
    far_pairs,
    neighbors_within,
    reversal_strength,
    spatial_infonce,
    vicreg,
)
from pyg_gears.geometry import nearest_neighbors
from pyg_gears.training.embedding_recipe import LearnedEmbedding
from pyg_gears.training.encoder_module import EncoderModule, EncoderSlide

BARE = LearnedEmbedding.read(
    {"front": {"components": 6}, "out_channels": 4, "noise": 0.0, "infonce": {"weight": 1.0, "neighbors": 5}}
)
VICREG_ONLY = {"infonce": None, "vicreg": {"weight": 1.0}}


def slides(sizes: tuple[int, ...] = (50, 40)) -> list[EncoderSlide]:
    generator = torch.Generator().manual_seed(0)
    return [
        EncoderSlide(torch.randn(n, 6, generator=generator), torch.rand(n, 2, generator=generator, dtype=torch.float64))
        for n in sizes
    ]


def halves(tissue: list[EncoderSlide]) -> list[list[Tensor]]:
    parts = [torch.arange(len(slide.pos)) % 2 == 0 for slide in tissue]
    return [parts, [~part for part in parts]]


def build(
    recipe: LearnedEmbedding,
    tissue: list[EncoderSlide],
    unseen: list[list[Tensor]],
    cells: Tensor | None = None,
) -> EncoderModule:
    generator = torch.Generator().manual_seed(0)
    members = [ExpressionNetwork(6, recipe.out_channels, (8,), residual=False, generator=generator) for _ in unseen]
    return EncoderModule(members, recipe, tissue, unseen, tissue[-1:], cells=cells, seed=3)


@pytest.fixture
def logged(monkeypatch) -> dict[str, Tensor]:
    """What the module notes for its log, with training at half of its steps."""
    values: dict[str, Tensor] = {}
    monkeypatch.setattr(EncoderModule, "_note", lambda self, name, value: values.update({name: value}))
    monkeypatch.setattr(EncoderModule, "global_step", property(lambda self: self.recipe.steps // 2))
    return values


@pytest.mark.parametrize("warmup", [0.0, 0.4, 1.0])
def test_the_loss_is_the_weighted_mean_over_members_and_slides(logged, warmup: float) -> None:
    recipe = BARE.change(
        {
            "infonce": {"weight": 2.0, "hard_negatives": 1.5, "temperature": 0.2},
            "vicreg": {
                "weight": 0.5,
                "invariance": 3.0,
                "variance": 5.0,
                "covariance": 7.0,
                "invariance_warmup": warmup,
            },
            "adversary": {"weight": 0.3},
            "norm": 4.0,
        }
    )
    tissue = slides()
    unseen = halves(tissue)
    module = build(recipe, tissue, unseen)
    expected = dict.fromkeys(("infonce", "vicreg", "adversary", "norm"), 0.0)
    warm = {0.0: 1.0, 0.4: 1.0, 1.0: 0.5}[warmup]
    for number, (member, parts) in enumerate(zip(module.members, unseen, strict=True)):
        seen = [(~part).nonzero()[:, 0] for part in parts]
        embedded = [member(slide.features[rows]) for slide, rows in zip(tissue, seen, strict=True)]
        for slide, rows, h in zip(tissue, seen, embedded, strict=True):
            near = neighbors_within(nearest_neighbors(slide.pos, 5).index, rows)
            far = far_pairs(slide.pos[rows], 5)
            assert far.any()
            loss = spatial_infonce(h, h, near, temperature=0.2, hard_weight=1.5, far=far)
            expected["infonce"] += 2.0 * loss / 4
            invariance, variance, covariance = vicreg(h, h)
            assert invariance == 0
            expected["vicreg"] += 0.5 * (warm * 3.0 * invariance + 5.0 * variance + 7.0 * covariance) / 4
        slide_id = torch.cat([torch.full((len(h),), i) for i, h in enumerate(embedded)])
        parts = F.cross_entropy(module.adversaries[number].classifier(torch.cat(embedded)), slide_id, reduction="none")
        expected["adversary"] += 0.3 * torch.stack([part.mean() for part in parts.split([25, 20])]).mean() / 2
        expected["norm"] += 4.0 * torch.stack([h.norm(dim=1).mean().log() for h in embedded]).var() / 2
    loss = module.training_step(0, 0)
    for name, value in expected.items():
        torch.testing.assert_close(logged[name], value.detach())
        assert value > 0
    torch.testing.assert_close(loss, sum(expected.values()))
    assert torch.equal(logged["loss"], loss.detach())


@pytest.mark.parametrize(("warmup", "share"), [(0.0, 1.0), (0.4, 1.0), (0.5, 1.0), (1.0, 0.5), (0.8, 0.625)])
def test_the_invariance_weight_rises_over_its_share_of_the_steps(logged, warmup: float, share: float) -> None:
    """Half of the steps are done."""
    whole, found = (
        build(
            BARE.change(
                {
                    "infonce": None,
                    "noise": 1.0,
                    "vicreg": {"variance": 0.0, "covariance": 0.0, "invariance_warmup": value},
                }
            ),
            slides(),
            halves(slides()),
        ).training_step(0, 0)
        for value in (0.0, warmup)
    )
    assert whole > 0
    torch.testing.assert_close(found, share * whole)


def test_terms_without_weight_are_not_computed(logged) -> None:
    build(BARE, slides(), halves(slides())).training_step(0, 0)
    assert set(logged) == {"infonce", "loss"}
    assert len(build(BARE, slides(), halves(slides())).adversaries) == 0


@pytest.mark.parametrize("batch_spots", [32, 1024])
def test_a_network_sees_nothing_of_its_unseen_spots(logged, batch_spots: int) -> None:
    """Whatever becomes of their features and positions, its loss and gradient stay."""
    recipe = BARE.change(
        {
            "vicreg": {"weight": 1.0},
            "noise": 0.4,
            "norm": 1.0,
            "infonce": {"hard_negatives": 1.0},
            "batch_spots": batch_spots,
        }
    )
    losses, gradients = [], []
    for spoil in (False, True):
        tissue = slides((110, 90))
        unseen = halves(tissue)[:1]
        module = build(recipe, tissue, unseen)
        if spoil:
            for slide, part in zip(tissue, unseen[0], strict=True):
                slide.features[part] = torch.nan
                slide.pos[part] += 100
        losses.append(module.training_step(0, 0))
        gradients.append(torch.autograd.grad(losses[-1], list(module.parameters())))
    assert torch.isfinite(losses[0])
    assert torch.equal(*losses)
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_network_with_nothing_left_out_sees_every_spot(logged) -> None:
    tissue = slides()
    everything = [[torch.ones(len(slide.pos), dtype=torch.bool) for slide in tissue]]
    nothing = [[torch.zeros(len(slide.pos), dtype=torch.bool) for slide in tissue]]
    found, expected = (build(BARE, tissue, unseen).training_step(0, 0) for unseen in (everything, nothing))
    assert torch.equal(found, expected)
    assert not torch.equal(found, build(BARE, tissue, halves(tissue)[:1]).training_step(0, 0))


def test_views_change_with_step_and_seed_only(logged, monkeypatch) -> None:
    recipe = BARE.change({"noise": 0.5})
    module = build(recipe, slides(), halves(slides()))
    first = module.training_step(0, 0)
    assert torch.equal(first, module.training_step(0, 0))
    monkeypatch.setattr(EncoderModule, "global_step", 7)
    later = module.training_step(0, 0)
    assert not torch.equal(first, later)
    module.seed += 1
    assert not torch.equal(later, module.training_step(0, 0))


def test_the_rate_falls_by_a_cosine_to_zero() -> None:
    module = build(BARE.change({"steps": 11, "lr": 0.02}), slides(), halves(slides()))
    chosen = module.configure_optimizers()
    optimizer, scheduler = chosen["optimizer"], chosen["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(11):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[5], rates[10]) == pytest.approx((0.02, 0.01, 0.0))
    assert chosen["lr_scheduler"]["interval"] == "step"
    assert optimizer.param_groups[0]["weight_decay"] == BARE.weight_decay


def test_views_are_noise_gain_and_dropout(logged) -> None:
    """What a network is fed, against what it was made of."""
    tissue = slides((2000,))
    tissue[0].features.mul_(torch.tensor([0.1, 0.5, 1.0, 2.0, 5.0, 10.0])).add_(3.0)
    everything = [[torch.ones(2000, dtype=torch.bool)]]
    clean = tissue[0].features

    def fed(**values: float) -> list[Tensor]:
        recipe = BARE.change({"batch_spots": 2000, **VICREG_ONLY, **values})
        module, views = build(recipe, tissue, everything), []
        module.members[0].register_forward_pre_hook(lambda _, inputs: views.extend(inputs[0].chunk(2)))
        module.training_step(0, 0)
        assert len(views) == 2
        assert torch.equal(*views) == (values == {})
        return views

    assert all(torch.equal(view, clean) for view in fed())
    for view in fed(noise=0.4):
        noise = (view - clean) / clean.std(dim=0)
        torch.testing.assert_close(noise.std(dim=0), torch.full((6,), 0.4), rtol=0.1, atol=0)
        torch.testing.assert_close(noise.mean(dim=0), torch.zeros(6), rtol=0, atol=0.05)
    for view in fed(scale_jitter=0.2):
        gain = view / clean
        torch.testing.assert_close(gain, gain[:, :1].expand_as(gain))
        assert 0.18 < float(gain[:, 0].std()) < 0.22
        assert 0.98 < float(gain[:, 0].mean()) < 1.02
    for view in fed(dropout=0.3):
        assert 0.28 < float((view == 0).float().mean()) < 0.32
        assert ((view == 0) | (view == clean)).all()


CELLS = torch.randn(30, 6, generator=torch.Generator().manual_seed(7)) + 1.0


def test_against_the_modality_cells_join_what_needs_no_positions(logged) -> None:
    recipe = BARE.change({"vicreg": {"weight": 2.0}, "adversary": {"weight": 0.3, "against": "modality"}, "norm": 1.0})
    tissue = slides()
    unseen = halves(tissue)[:1]
    module = build(recipe, tissue, unseen, CELLS)
    member, adversary = module.members[0], module.adversaries[0]
    assert adversary.domains == 2
    spots = [member(slide.features[~part]) for slide, part in zip(tissue, unseen[0], strict=True)]
    cells = member(CELLS)
    # Two equal views; half of the steps are done, so the invariance has its whole weight.
    vicreg_terms = []
    for h in (*spots, cells):
        _, variance, covariance = vicreg(h, h)
        vicreg_terms.append(50 * variance + covariance)
    single = [
        F.cross_entropy(adversary.classifier(h), torch.full((len(h),), domain))
        for h, domain in ((torch.cat(spots), 0), (cells, 1))
    ]
    module.training_step(0, 0)
    torch.testing.assert_close(logged["vicreg"], 2.0 * torch.stack(vicreg_terms).mean().detach())
    torch.testing.assert_close(logged["adversary"], 0.3 * torch.stack(single).mean().detach())
    lengths = torch.stack([h.norm(dim=1).mean().log() for h in spots])
    torch.testing.assert_close(logged["norm"], lengths.var().detach())


@pytest.mark.parametrize("against", ["slides", "modality"])
def test_the_networks_are_trained_against_the_classifier_with_rising_strength(
    monkeypatch, logged, against: str
) -> None:
    """The gradient of the networks is the reversed one of the classification, times the strength at that time."""
    recipe = BARE.change({"infonce": None, "vicreg": {"invariance": 0.0, "variance": 0.0, "covariance": 0.0}})
    recipe = recipe.change({"adversary": {"weight": 2.0, "against": against}, "steps": 100})
    tissue = slides()
    module = build(recipe, tissue, halves(tissue)[:1], CELLS if against == "modality" else None)
    member, adversary = module.members[0], module.adversaries[0]
    views = [member(slide.features[1::2]) for slide in tissue]
    domains = views if against == "slides" else [torch.cat(views), member(CELLS)]
    plain = torch.stack(
        [F.cross_entropy(adversary.classifier(h), torch.full((len(h),), d)) for d, h in enumerate(domains)]
    ).mean()
    own = torch.autograd.grad(2.0 * plain, [*member.parameters(), *adversary.parameters()])
    count = len(list(member.parameters()))
    for step in (0, 10, 50):
        monkeypatch.setattr(EncoderModule, "global_step", step)
        module.zero_grad()
        module.training_step(0, 0).backward()
        found = [parameter.grad for parameter in (*member.parameters(), *adversary.parameters())]
        strength = reversal_strength(step / 100)
        for a, b in zip(found[:count], own[:count], strict=True):
            torch.testing.assert_close(a, -strength * b, rtol=1e-4, atol=1e-7)
        for a, b in zip(found[count:], own[count:], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)
    assert any(g.abs().max() > 0 for g in own[:count])


def test_many_cells_are_drawn_by_the_step(monkeypatch, logged) -> None:
    recipe = BARE.change({"adversary": {"against": "modality"}, "batch_spots": 32})
    cells = torch.randn(500, 6, generator=torch.Generator().manual_seed(7))
    module, fed = build(recipe, slides(), halves(slides())[:1], cells), []
    module.members[0].register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    for step in (3, 4, 3):
        monkeypatch.setattr(EncoderModule, "global_step", step)
        module.training_step(0, 0)
    assert len(fed) == 3
    batches = [views.chunk(2)[0][-32:] for views in fed]  # after the spots of the slides
    assert all(len(batch) == 32 for batch in batches)
    for batch in batches:
        assert (batch[:, None] == cells).all(dim=2).any(dim=1).all()
    assert torch.equal(batches[0], batches[2])
    assert not torch.equal(batches[0], batches[1])

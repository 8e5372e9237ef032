"""The published encoder's training: domains, ramps, terms, the kept state, resuming."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from pyg_gears.encoders import (
    LogGenes,
    MixingOutput,
    NormalizedNetwork,
    PublishedEncoder,
    group_distance,
    mmd,
    moment_distance,
    mutual_infonce,
    vicreg,
)
from pyg_gears.encoders.domain_distances import median_bandwidths
from pyg_gears.errors import InputError
from pyg_gears.training import published_encoder_module
from pyg_gears.training.embedding_recipe import PublishedEmbedding
from pyg_gears.training.encoder_training import check_embedding, fit_encoder
from pyg_gears.training.lightning_run import run
from pyg_gears.training.published_encoder_module import PublishedEncoderModule
from pyg_gears.training.published_encoder_training import fit_published_encoder

SHORT = PublishedEmbedding.read(
    {
        "hidden": [16],
        "out_channels": 6,
        "steps": 8,
        "evaluate_every": 4,
        "batch_spots": 32,
        "adversary": {"steps": 2, "hidden": [8]},
        "consistency": {"neighbors": 3, "refresh": 3},
    }
)
PATIENTS = {"patients": {"of": {"slide_0": "a", "slide_1": "b"}}}


def module(recipe: PublishedEmbedding, domains: list[list[torch.Tensor]], patient=None) -> PublishedEncoderModule:
    generator = torch.Generator().manual_seed(0)
    network = NormalizedNetwork(5, recipe.out_channels, recipe.hidden, dropout=0.0, generator=generator)
    return PublishedEncoderModule(network, recipe, domains, patient, seed=0)


def features(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 5, generator=torch.Generator().manual_seed(seed)) * 3


def terms_at(
    recipe: PublishedEmbedding, progress: float, sizes: list[int]
) -> tuple[dict, PublishedEncoderModule, tuple]:
    domains = [[features(size, number)] for number, size in enumerate(sizes)]
    found = module(recipe, domains, [number % 2 for number in range(len(sizes))] if recipe.patients else None)
    found.step.fill_(round(progress * recipe.steps))
    if recipe.consistency is not None:
        found.cache.copy_(found._embedded(found._x))
    rows = torch.arange(sum(sizes))
    z = found.network(found._x)
    return found._terms(found._x, z, rows, sizes, torch.Generator().manual_seed(1)), found, (z, rows)


@pytest.mark.parametrize("sizes", [[9, 8], [7, 6, 8]])
def test_terms_are_the_published_ones_on_the_published_embeddings(sizes) -> None:
    recipe = SHORT.change(
        {"steps": 100, "noise": 0.0, "dropout": 0.0, "scale_jitter": 0.0, "patients": PATIENTS["patients"]}
    )
    terms, found, (z, _) = terms_at(recipe, 0.15, sizes)
    unit = (z - z.mean(1, keepdim=True)) / (z.var(1, False, keepdim=True) + 1e-5).sqrt()
    pairs = [(a, b) for a in range(len(sizes)) for b in range(a + 1, len(sizes))]
    raw, parts = z.split(sizes), unit.split(sizes)
    assert terms["coral"][0] == pytest.approx(0.5)  # half way up the ramp, weight 1
    expected = torch.stack(
        [moment_distance(parts[a], parts[b]) + moment_distance(raw[a], raw[b]) for a, b in pairs]
    ).mean()
    torch.testing.assert_close(terms["coral"][1], expected)
    sphere = (unit / unit.norm(dim=1, keepdim=True)).split(sizes)
    distances = []
    for a, b in pairs:
        middle = median_bandwidths(sphere[a], sphere[b], [1.0])[0]
        distances.append(mmd(sphere[a], sphere[b], [0.5 * middle, middle, 2 * middle, 4 * middle]))
    torch.testing.assert_close(terms["mmd"][1], torch.stack(distances).mean(), atol=1e-6, rtol=1e-5)
    assert terms["mmd"][0] == pytest.approx(10.0)
    assert terms["mutual"][0] == pytest.approx(1.0)  # a quarter of the way, weight 4
    torch.testing.assert_close(
        terms["mutual"][1],
        torch.stack([mutual_infonce(raw[a], raw[b], least=0.2, temperature=0.07) for a, b in pairs]).mean(),
    )
    assert terms["adversary"][0] == 50.0
    parts_of_vicreg = vicreg(z, z)
    torch.testing.assert_close(terms["vicreg"][1], 25 * parts_of_vicreg.variance + 2 * parts_of_vicreg.covariance)
    near = F.normalize(z, dim=1)
    cosine = (near[:, None] * near[found._near]).sum(dim=2)
    torch.testing.assert_close(terms["consistency"][1], -cosine.mean())
    assert terms["consistency"][0] == 10.0
    group = torch.tensor([number % 2 for number in range(len(sizes))]).repeat_interleave(torch.tensor(sizes))
    torch.testing.assert_close(terms["patients"][1], group_distance(unit, group))
    assert terms["patients"][0] == pytest.approx(25.0)


def test_terms_wait_for_their_ramp_and_the_reversal_too() -> None:
    recipe = SHORT.change({"steps": 100})
    terms, found, (z, _) = terms_at(recipe, 0.0, [9, 8])
    assert set(terms) == {"vicreg", "adversary", "consistency"}
    (slope,) = torch.autograd.grad(terms["adversary"][1], z, retain_graph=True)
    assert float(slope.abs().max()) == 0.0  # the reversal has no strength yet
    late, found, (z, _) = terms_at(recipe, 0.5, [9, 8])
    found.adversary.eval()
    again = found._terms(found._x, z, torch.arange(17), [9, 8], torch.Generator().manual_seed(1))
    plain = F.cross_entropy(found.adversary(F.layer_norm(z, z.shape[1:])), torch.tensor([0] * 9 + [1] * 8))
    torch.testing.assert_close(
        torch.autograd.grad(again["adversary"][1], z)[0], -torch.autograd.grad(plain, z, retain_graph=True)[0]
    )
    assert [late[name][0] for name in ("coral", "mmd", "mutual")] == [1.0, 20.0, 4.0]


def test_terms_without_weight_are_left_out() -> None:
    bare = SHORT.change({"adversary": None, "coral": 0, "mmd": 0, "mutual": None, "consistency": None})
    terms, found, _ = terms_at(bare, 1.0, [9, 8])
    assert set(terms) == {"vicreg"}
    assert len(found.configure_optimizers()) == 1


def test_the_adversary_learns_apart_from_the_encoder(tissue, monkeypatch) -> None:
    seen = []
    real = PublishedEncoderModule._train_adversary

    def look(self, optimizer, z, sizes, generator):
        before = [parameter.clone() for parameter in self.network.parameters()]
        real(self, optimizer, z, sizes, generator)
        seen.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"], z.requires_grad))
        assert all(torch.equal(a, b) for a, b in zip(before, self.network.parameters(), strict=True))

    monkeypatch.setattr(PublishedEncoderModule, "_train_adversary", look)
    fit_published_encoder(SHORT, tissue.slides[:2], None, seed=0)
    assert len(seen) == SHORT.steps
    assert seen[0] == (pytest.approx(3e-3), 1e-4, False)
    assert seen[-1][0] == pytest.approx(0.0)


def test_both_protocols_embed_every_slide_alike(tissue) -> None:
    used = tissue.slides[:2]
    moved = [dataclasses.replace(slide, pos=slide.pos[::-1].copy()) for slide in used]
    inductive = fit_encoder(SHORT, used, None, [(tissue.slides[2], None)], seed=0)
    assert isinstance(inductive.encoder, PublishedEncoder)
    assert isinstance(inductive.encoder.front, LogGenes)
    for part, slide in zip([*inductive.train, *inductive.held_out], tissue.slides, strict=True):
        torch.testing.assert_close(part.x, inductive.encoder.encode(slide))
    query = tissue.slides[2]
    blind = fit_encoder(SHORT, moved, None, [(query, None)], seed=0)
    assert torch.equal(blind.encoder.encode(query), inductive.encoder.encode(query))  # no position is read
    cells = dataclasses.replace(query, pos=None)
    transductive = fit_encoder(SHORT, used, cells, [(query, None)], seed=0)
    assert not torch.equal(transductive.encoder.encode(query), inductive.encoder.encode(query))
    one = fit_encoder(SHORT, used[:1], cells, [(query, None)], seed=0)
    assert torch.isfinite(one.encoder.encode(query)).all()


def test_what_is_missing_is_asked_for_before_any_work() -> None:
    with pytest.raises(
        InputError, match=r"cells or two training slides for embedding\.kind=published, found 1 slide alone"
    ):
        check_embedding(SHORT, ["a"], cells=False)
    with pytest.raises(InputError, match=r"the patient of every training slide, found none of slide_2; add them"):
        check_embedding(SHORT.change(PATIENTS), ["slide_0", "slide_2"], cells=False)
    same = SHORT.change({"patients": {"of": {"a": "x", "b": "x"}}})
    with pytest.raises(InputError, match=r"slides of two or more patients in embedding\.patients\.of, found 1; leave"):
        check_embedding(same, ["a", "b"], cells=True)
    check_embedding(SHORT.change(PATIENTS), ["slide_0", "slide_1"], cells=True)
    check_embedding(SHORT, ["a"], cells=True)


def test_the_best_mixed_state_that_has_not_collapsed_is_kept(tissue, monkeypatch) -> None:
    chosen = SHORT.change({"steps": 10, "evaluate_every": 2, "selection": {"begin": 0.3}})
    looks = iter([(0.1, False), (0.6, False), (0.4, True), (0.5, False), (0.7, False)])
    states = []
    real = PublishedEncoderModule.validation_step

    def look(self, batch, batch_index):
        states.append({name: value.clone() for name, value in self.network.state_dict().items()})
        real(self, batch, batch_index)

    def probe(domains, **options):
        accuracy, collapsed = next(looks)
        return MixingOutput(accuracy, 0.05 if collapsed else 0.5)

    monkeypatch.setattr(PublishedEncoderModule, "validation_step", look)
    monkeypatch.setattr(published_encoder_module, "mixing_probe", probe)
    kept = fit_published_encoder(chosen, tissue.slides[:2], None, seed=0).network.state_dict()
    assert len(states) == 5
    # The first look comes too early, the third found a collapsed state: the fourth is the best.
    assert all(torch.equal(kept[name], value) for name, value in states[3].items())
    looks = iter([(0.1, False)] * 5)
    last = fit_published_encoder(
        chosen.change({"selection": None}), tissue.slides[:2], None, seed=0
    ).network.state_dict()
    assert all(torch.equal(last[name], value) for name, value in states[-1].items())


def test_a_killed_run_resumes_to_the_same_weights(tissue, tmp_path, monkeypatch) -> None:
    slides = tissue.slides[:2]
    recipe = SHORT.change(PATIENTS)
    whole = fit_published_encoder(recipe, slides, tissue.cells, seed=0, folder=tmp_path / "whole")
    step = PublishedEncoderModule.training_step

    def die(self, batch, index):
        if int(self.step) == 5:
            raise RuntimeError("killed")
        step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(PublishedEncoderModule, "training_step", die)
        with pytest.raises(RuntimeError, match="killed"):
            fit_published_encoder(recipe, slides, tissue.cells, seed=0, folder=tmp_path / "cut")
    again = fit_published_encoder(recipe, slides, tissue.cells, seed=0, folder=tmp_path / "cut")
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    assert "mixing" in (tmp_path / "whole" / "log.csv").read_text().splitlines()[0]


def test_training_mixes_the_domains() -> None:
    """One gene is there in one domain only, all others are alike; VICReg alone keeps it."""
    x = [features(150, 0), features(150, 1)]
    x[1][:, 0] = 0.0

    def gap(**changes: object) -> float:
        recipe = SHORT.change({"out_channels": 8, "steps": 150, "evaluate_every": 150, "batch_spots": 64, **changes})
        found = module(recipe, [[x[0]], [x[1]]])
        run(found, [], progress=False, max_epochs=1)
        assert int(found.step) == 150
        return float(mmd(*(F.layer_norm(found._embedded(part), (8,)) for part in x), unbiased=True))

    without = gap(adversary=None, coral=0.0, mmd=0.0, mutual=None, consistency=None)
    assert gap() < 0.5 * without

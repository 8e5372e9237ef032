from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from pyg_gears.data import Slide, simulate_tissue
from pyg_gears.encoders import (
    CenteredGenes,
    ComponentEncoder,
    Encoder,
    LearnedEncoder,
    component_encoder,
    neighbor_agreement,
)
from pyg_gears.training import encoder_module
from pyg_gears.training.embedding_recipe import (
    EmbeddingRecipe,
    LearnedEmbedding,
    PCAEmbedding,
    SpatialEmbedding,
)
from pyg_gears.training.encoder_module import EncoderModule
from pyg_gears.training.encoder_training import EncoderFit, fit_encoder

SMALL = LearnedEmbedding.read(
    {
        "front": {"components": 10},
        "out_channels": 6,
        "hidden": [8],
        "folds": 2,
        "repeats": 1,
        "steps": 6,
        "evaluate_every": 3,
        "infonce": {"neighbors": 8},
        "min_autocorrelation": -1.0,
        "lr": 1e-2,
    }
)


class Killed(RuntimeError):
    pass


def recipe(**values: object) -> LearnedEmbedding:
    return SMALL.change(values)


def outputs(
    chosen: EmbeddingRecipe,
    slides: Sequence[Slide],
    cells: Slide | None = None,
    folder: Path | None = None,
    seed: int = 0,
) -> EncoderFit:
    return fit_encoder(chosen, slides[:2], cells, [(slides[2], None)], seed=seed, folder=folder)


def fit(*arguments: object, **options: object) -> tuple[Encoder, list[Tensor]]:
    """The encoder, and the training slides as it embeds them."""
    found = outputs(*arguments, **options)
    return found.encoder, [part.x for part in found.train]


def weights(members: Sequence[torch.nn.Module]) -> list[Tensor]:
    return [parameter for member in members for parameter in member.parameters()]


def same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def plain(tissue) -> tuple[Encoder, list[Tensor]]:
    return fit(recipe(), tissue.slides)


@pytest.mark.parametrize("section", [PCAEmbedding, SpatialEmbedding])
def test_components_alone_are_the_encoder_without_training(tissue, section: type) -> None:
    chosen = section(components=5)
    found = outputs(chosen, tissue.slides)
    encoder = found.encoder
    assert isinstance(encoder, ComponentEncoder)
    assert encoder.out_channels == 5
    assert [part.x.shape for part in found.train] == [(90, 5), (90, 5)]
    assert all(part.x is part.features for part in found.train)
    assert torch.equal(found.held_out[0].x, encoder.encode(tissue.slides[2]))
    expected = ComponentEncoder.fit(
        tissue.slides[:2], n_components=5, kind=chosen.kind, normalization=chosen.normalization
    )
    # Products of one matrix alone and of six side by side differ in rounding.
    torch.testing.assert_close(encoder.components, expected.components, rtol=0, atol=1e-5)


@pytest.mark.parametrize("front", ["pca", "spatial", "genes"])
def test_a_learned_encoder_stands_on_its_front(tissue, front: str) -> None:
    encoder, crossed = fit(recipe(front={"kind": front}), tissue.slides)
    assert isinstance(encoder, LearnedEncoder)
    assert isinstance(encoder.front, CenteredGenes if front == "genes" else ComponentEncoder)
    assert encoder.front.out_channels == (60 if front == "genes" else 10)
    assert (encoder.members[0].linear is None) == (front == "genes")
    assert len(encoder.members) == 2
    assert encoder.out_channels == 6
    assert [x.shape for x in crossed] == [(90, 6), (90, 6)]
    for x, slide in zip(crossed, tissue.slides, strict=False):
        assert torch.isfinite(x).all()
        assert not torch.allclose(x, encoder.encode(slide), atol=1e-3)
    assert encoder.encode(tissue.cells).shape == (60, 6)


def test_one_network_on_all_spots_returns_what_it_encodes(tissue) -> None:
    encoder, crossed = fit(recipe(front={"kind": "genes"}, folds=1), tissue.slides)
    assert len(encoder.members) == 1
    for x, slide in zip(crossed, tissue.slides, strict=False):
        torch.testing.assert_close(x, encoder.encode(slide), rtol=1e-4, atol=1e-5)


def test_no_slide_is_normalised_twice_for_one_purpose(tissue, monkeypatch) -> None:
    """Once to fit the components, once to embed what is held out; training slides are not encoded again."""
    seen: list[str] = []
    for name in ("normalize_expression", "project_expression"):
        real = getattr(component_encoder, name)
        monkeypatch.setattr(
            component_encoder, name, lambda slide, *rest, real=real: (seen.append(slide.name), real(slide, *rest))[1]
        )
    outputs(SMALL, tissue.slides, tissue.cells)
    assert sorted(seen) == sorted([*(slide.name for slide in tissue.slides), tissue.cells.name])


def test_fewer_components_than_asked_for_narrow_the_embedding(tissue) -> None:
    encoder, _ = fit(recipe(front={"components": 100}, out_channels=90, adversary={"weight": 1.0}), tissue.slides)
    assert encoder.out_channels == encoder.front.out_channels <= 60


def test_axes_that_are_not_spatial_are_dropped(tissue, plain) -> None:
    encoder, crossed = fit(recipe(min_autocorrelation=1.0), tissue.slides)
    assert encoder.out_channels == 2
    assert crossed[0].shape == (90, 2)
    assert same(weights(encoder.members), weights(plain[0].members))


def test_every_division_has_axes_of_its_own(tissue, plain) -> None:
    encoder, crossed = fit(recipe(repeats=2), tissue.slides)
    assert len(encoder.members) == 2 * len(plain[0].members)
    assert encoder.out_channels == 2 * plain[0].out_channels
    assert crossed[0].shape == (90, 12)
    for number, rotation in enumerate(encoder.rotations):
        own = slice(0, 6) if number < 2 else slice(6, 12)
        torch.testing.assert_close(rotation[:, own] @ rotation[:, own].T, torch.eye(6), atol=1e-5, rtol=0)
        assert int((rotation != 0).sum()) <= 36


def test_cells_join_the_components(tissue, plain) -> None:
    encoder, _ = fit(recipe(), tissue.slides, tissue.cells)
    assert not torch.equal(encoder.front.components, plain[0].front.components)


@pytest.mark.parametrize(
    "change",
    [
        {"vicreg": {"weight": 1.0}},
        {"infonce": None, "vicreg": {"weight": 1.0}},
        {"infonce": {"weight": 2.0}, "norm": 1.0},
        {"adversary": {"weight": 1.0}},
        {"norm": 5.0},
        {"infonce": {"hard_negatives": 2.0}},
        {"infonce": {"temperature": 0.5}},
        {"infonce": {"neighbors": 4}},
        {"noise": 0.1},
        {"dropout": 0.3},
        {"scale_jitter": 0.5},
        {"batch_spots": 32},
        {"lr": 3e-3},
        {"weight_decay": 0.5},
        {"hidden": []},
        {"out_channels": 5},
        {"folds": 3},
        {"repeats": 2},
        {"steps": 9},
        {"target_sum": 100.0},
        {"transform": "sqrt"},
    ],
    ids=str,
)
def test_every_choice_changes_the_training(tissue, monkeypatch, change: dict[str, object]) -> None:
    """Compared after the last step: which state is kept is another matter."""
    rising = iter(range(1000))
    monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: SimpleNamespace(overlap=float(next(rising))))
    (a, _), (b, _) = (fit(recipe(**values), tissue.slides) for values in ({}, change))
    x, y = a.encode(tissue.slides[2]), b.encode(tissue.slides[2])
    assert torch.isfinite(y).all()
    assert x.shape != y.shape or not torch.allclose(x, y, atol=1e-5)


@pytest.mark.parametrize("part", ["invariance", "variance", "covariance", "invariance_warmup"])
def test_every_part_of_vicreg_counts(tissue, monkeypatch, part: str) -> None:
    rising = iter(range(1000))
    monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: SimpleNamespace(overlap=float(next(rising))))
    base = {"weight": 1.0, "covariance": 50.0}
    (a, _), (b, _) = (
        fit(recipe(infonce=None, vicreg={**base, **values}), tissue.slides) for values in ({}, {part: 0.0})
    )
    assert not torch.allclose(a.encode(tissue.slides[2]), b.encode(tissue.slides[2]), atol=1e-5)


def test_the_same_seed_gives_the_same_encoder_and_another_another(tissue, plain) -> None:
    again = fit(recipe(), tissue.slides)
    slide = tissue.slides[2]
    assert torch.equal(again[0].encode(slide), plain[0].encode(slide))
    assert same(again[1], plain[1])
    other = fit(recipe(), tissue.slides, seed=1)
    assert not torch.allclose(other[0].encode(slide), plain[0].encode(slide), atol=1e-3)


def test_learned_networks_are_trained_on_the_cpu_whatever_the_device(tissue, plain) -> None:
    found = fit_encoder(recipe(), tissue.slides[:2], None, [(tissue.slides[2], None)], seed=0, device="cuda").encoder
    assert torch.equal(found.encode(tissue.slides[2]), plain[0].encode(tissue.slides[2]))


def test_global_random_states_are_left_alone(tissue) -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    fit(recipe(adversary={"weight": 1.0}), tissue.slides)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert (before[2] == np.random.get_state()[1]).all()  # noqa: NPY002


def test_held_out_spots_are_those_of_the_mask(tissue) -> None:
    """Spots outside the mask may lie anywhere; those inside may not."""
    slide = tissue.slides[2]
    mask = torch.arange(90) < 40
    found = []
    for moved in (np.zeros(90, dtype=bool), ~mask.numpy(), mask.numpy()):
        pos = slide.pos.copy()
        pos[moved] = pos[moved][::-1]
        held_out = [(dataclasses.replace(slide, pos=pos), mask)]
        seen: list[float] = []

        def measure(x, pos, seen=seen):
            seen.append(neighbor_agreement(x, pos).overlap)
            return SimpleNamespace(overlap=seen[-1])

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encoder_module, "neighbor_agreement", measure)
            encoder = fit_encoder(recipe(), tissue.slides[:2], None, held_out, seed=0).encoder
        found.append((seen, encoder.encode(slide)))
    assert found[0][0] == found[1][0] != found[2][0]
    assert torch.equal(found[0][1], found[1][1])


def test_training_finds_new_tissue_better_than_components_alone() -> None:
    slides = simulate_tissue("lobules", slides=4, cells=40, seed=0, spots=120, genes=60).slides
    chosen = recipe(front={"kind": "pca", "components": 24}, out_channels=24, steps=40, evaluate_every=20)
    encoder, _ = fit(chosen, slides)
    pos = torch.tensor(slides[3].pos)
    before, after = (neighbor_agreement(e.encode(slides[3]), pos).overlap for e in (encoder.front, encoder))
    assert after > before + 0.05


def test_a_killed_run_resumes_to_the_same_encoder(tissue, plain, tmp_path, monkeypatch) -> None:
    chosen = recipe(steps=10, adversary={"weight": 1.0})
    whole, crossed = fit(chosen, tissue.slides, folder=tmp_path / "whole")
    step = EncoderModule.training_step

    def die(self, batch, index):
        if self.current_epoch == 2 and index == 1:
            raise Killed
        return step(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(EncoderModule, "training_step", die)
        with pytest.raises(Killed):
            fit(chosen, tissue.slides, folder=tmp_path / "cut")
    taken: list[int] = []

    def count(self, batch, index):
        taken.append(self.global_step)
        return step(self, batch, index)

    monkeypatch.setattr(EncoderModule, "training_step", count)
    resumed, again = fit(chosen, tissue.slides, folder=tmp_path / "cut")
    assert taken == [6, 7, 8, 9]
    assert same(weights(whole.members), weights(resumed.members))
    assert same(crossed, again)
    assert torch.equal(whole.encode(tissue.slides[2]), resumed.encode(tissue.slides[2]))
    assert (tmp_path / "whole" / "log.csv").read_text() == (tmp_path / "cut" / "log.csv").read_text()
    finished, _ = fit(chosen, tissue.slides, folder=tmp_path / "cut")
    assert taken == [6, 7, 8, 9]  # what is finished is not trained again
    assert same(weights(whole.members), weights(finished.members))
    without_folder, _ = fit(chosen, tissue.slides)
    assert same(weights(whole.members), weights(without_folder.members))


def test_the_folder_of_another_run_is_refused(tissue, plain, tmp_path) -> None:
    fit(recipe(), tissue.slides, folder=tmp_path)
    moved = [*tissue.slides[:2], dataclasses.replace(tissue.slides[2], pos=tissue.slides[2].pos * 2)]
    for chosen, slides, seed in (
        (recipe(noise=0.1), tissue.slides, 0),
        (recipe(), tissue.slides, 1),
        (recipe(), tissue.slides[::-1], 0),
        (recipe(), moved, 0),
    ):
        with pytest.raises(ValueError, match=r"expected the recipe.* of the run begun in .*, found"):
            fit(chosen, slides, folder=tmp_path, seed=seed)
    # The adapter comes later, and is no part of this run.
    again, _ = fit(recipe(adapter=None), tissue.slides, folder=tmp_path)
    assert same(weights(again.members), weights(plain[0].members))

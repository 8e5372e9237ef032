from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_gears.encoders import neighbor_agreement
from pyg_gears.training import encoder_module
from pyg_gears.training.encoder_module import EncoderModule, EncoderSlide
from pyg_gears.training.encoder_recipe import EncoderRecipe
from pyg_gears.training.encoder_training import divide, train_networks

SMALL = EncoderRecipe(
    front_components=10,
    out_channels=6,
    hidden=(8,),
    folds=2,
    repeats=1,
    steps=6,
    evaluate_every=3,
    neighbors=8,
    lr=1e-2,
)


class Killed(RuntimeError):
    pass


def embedded_slides(n: int = 70, slides: int = 2) -> list[EncoderSlide]:
    """Two channels that follow the tissue and eight that do not."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(slides):
        pos = torch.rand(n, 2, generator=generator, dtype=torch.float64)
        found.append(EncoderSlide(torch.cat([pos - 0.5, torch.randn(n, 8, generator=generator)], 1).float(), pos))
    return found


def overlap_of(members: Sequence[torch.nn.Module], slide: EncoderSlide) -> float:
    with torch.no_grad():
        parts = [F.normalize(member(slide.features), dim=1) for member in members]
    return neighbor_agreement(torch.cat(parts, dim=1), slide.pos).overlap


def weights(members: Sequence[torch.nn.Module]) -> list[Tensor]:
    return [parameter for member in members for parameter in member.parameters()]


def same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_held_out_slide_only_chooses_the_state(tmp_path) -> None:
    """With other tissue held out every step is the same; only the measured overlap is another."""
    a, b, held_out = embedded_slides(slides=3)
    chosen = dataclasses.replace(SMALL, steps=9)
    unseen = divide([a, b], chosen, 0)
    shuffled = held_out._replace(pos=held_out.pos.flip(0))
    logs = []
    for name, slide in (("true", held_out), ("other", shuffled)):
        train_networks(chosen, [a, b], unseen, [slide], seed=0, folder=tmp_path / name)
        logs.append(list(csv.DictReader((tmp_path / name / "log.csv").read_text().splitlines())))
    overlaps = [[row.pop("overlap") for row in log] for log in logs]
    assert len(logs[0]) == 3
    assert logs[0] == logs[1]
    assert overlaps[0] != overlaps[1]


@pytest.mark.parametrize(("steps", "every", "measured"), [(6, 3, 2), (7, 3, 3), (4, 20, 1), (1, 1, 1)])
def test_the_last_state_is_measured_too(monkeypatch, tmp_path, steps: int, every: int, measured: int) -> None:
    """Where steps are no multiple of the interval, and where there are fewer."""
    rising = iter(range(1000))
    monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: SimpleNamespace(overlap=float(next(rising))))
    module = []
    measure = EncoderModule._keep_best
    monkeypatch.setattr(EncoderModule, "_keep_best", lambda self: (module.append(self), measure(self))[1])
    a, b, held_out = embedded_slides(slides=3)
    chosen = dataclasses.replace(SMALL, steps=steps, evaluate_every=every)
    train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=0, folder=tmp_path)
    assert len(module) == 1 + measured
    assert module[-1].best[0] == measured
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [float(row["overlap"]) for row in rows] == list(range(1, measured + 1))
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert state["global_step"] == steps
    for name, value in state["best"]["members"].items():
        assert torch.equal(value, state["state_dict"][f"members.{name}"])


def test_without_progress_the_untrained_state_is_kept(monkeypatch) -> None:
    falling = iter(range(0, -1000, -1))
    monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: SimpleNamespace(overlap=float(next(falling))))
    a, b, held_out = embedded_slides(slides=3)
    chosen = SMALL
    for member in train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=0):
        assert torch.equal(member.linear.weight, torch.eye(6, 10))
        assert (member.mlp[-1].weight == 0).all()


@pytest.mark.parametrize("lr", [1e-2, 3.0])
def test_the_state_kept_is_never_worse_than_the_untrained_one(lr: float) -> None:
    a, b, held_out = embedded_slides(slides=3)
    chosen = dataclasses.replace(SMALL, lr=lr, steps=8, evaluate_every=2)
    found = train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=0)
    assert overlap_of(found, held_out) >= neighbor_agreement(held_out.features[:, :6], held_out.pos).overlap


def test_networks_learn_which_features_follow_the_tissue() -> None:
    """Judged on a slide that neither trained nor chose anything."""
    a, b, held_out, new = embedded_slides(100, slides=4)
    chosen = dataclasses.replace(SMALL, steps=40, evaluate_every=20, lr=3e-2, out_channels=10)
    found = train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=0)
    untrained = neighbor_agreement(new.features, new.pos).overlap
    assert overlap_of(found, new) > untrained + 0.1


def test_the_best_state_survives_a_kill(monkeypatch, tmp_path) -> None:
    """The best is the one of the first measurement; the run dies after the second."""
    a, b, held_out = embedded_slides(slides=3)
    chosen = dataclasses.replace(SMALL, steps=9)
    unseen = divide([a, b], chosen, 0)
    found = []
    for values in ([0.0, 0.9, 0.1, 0.2], [0.0, 0.9, 0.1]):
        overlaps = iter(values)

        def measure(*_, overlaps=overlaps):
            try:
                return SimpleNamespace(overlap=next(overlaps))
            except StopIteration:
                raise Killed from None

        monkeypatch.setattr(encoder_module, "neighbor_agreement", measure)
        folder = tmp_path / str(len(values))
        if len(values) < 4:
            with pytest.raises(Killed):
                train_networks(chosen, [a, b], unseen, [held_out], seed=0, folder=folder)
            monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: SimpleNamespace(overlap=0.2))
        found.append(weights(train_networks(chosen, [a, b], unseen, [held_out], seed=0, folder=folder)))
    assert same(*found)


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("folds", [2, 3, 7])
def test_each_division_leaves_every_spot_out_once(folds: int, blocks: bool) -> None:
    slides = [*embedded_slides(50, 1), *embedded_slides(33, 1)]
    chosen = EncoderRecipe(folds=folds, repeats=3, blocks=blocks)
    unseen = divide(slides, chosen, seed=4)
    assert len(unseen) == 3 * folds
    for number, slide in enumerate(slides):
        masks = torch.stack([parts[number] for parts in unseen]).view(3, folds, len(slide.pos))
        assert masks.dtype == torch.bool
        assert (masks.sum(dim=1) == 1).all()
        sizes = masks.sum(dim=2)
        assert sizes.max() - sizes.min() <= 1
        assert not torch.equal(masks[0], masks[1])
    again = divide(slides, chosen, seed=4)
    assert all(same(a, b) for a, b in zip(unseen, again, strict=True))
    other = divide(slides, chosen, seed=5)
    assert not all(same(a, b) for a, b in zip(unseen, other, strict=True))


def test_blocks_are_sectors() -> None:
    """Around the centroid the spots change their part only once a part; shuffled parts change all the time."""
    slides = embedded_slides(120, 1)
    centred = slides[0].pos - slides[0].pos.mean(dim=0)
    around = torch.atan2(centred[:, 1], centred[:, 0]).argsort()
    changes = {}
    for blocks in (True, False):
        unseen = divide(slides, EncoderRecipe(folds=4, repeats=1, blocks=blocks), seed=0)
        part = torch.stack([parts[0] for parts in unseen]).int().argmax(dim=0)[around]
        changes[blocks] = int((part != part.roll(1)).sum())
    assert changes[True] == 4
    assert changes[False] > 40


def test_with_one_fold_everything_counts_as_unseen() -> None:
    slides = embedded_slides(20)
    unseen = divide(slides, EncoderRecipe(folds=1, repeats=2), seed=0)
    assert len(unseen) == 2
    assert all(part.all() for parts in unseen for part in parts)


def test_a_folder_belongs_to_one_recipe_seed_and_tissue(tmp_path) -> None:
    a, b, held_out = embedded_slides(slides=3)
    unseen = divide([a, b], SMALL, 0)
    first = train_networks(SMALL, [a, b], unseen, [held_out], seed=0, folder=tmp_path)
    for chosen, slides, seed in (
        (dataclasses.replace(SMALL, noise=0.1), [a, b], 0),
        (SMALL, [a, b], 1),
        (SMALL, [b, a], 0),
        (SMALL, [a, b._replace(pos=2 * b.pos)], 0),
    ):
        with pytest.raises(ValueError, match=r"expected the recipe and slides of the run begun in .*, found others"):
            train_networks(chosen, slides, unseen, [held_out], seed=seed, folder=tmp_path)
    again = train_networks(SMALL, [a, b], unseen, [held_out], seed=0, folder=tmp_path)
    assert same(weights(again), weights(first))

from __future__ import annotations

import csv
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pyg_gears.encoders import neighbor_agreement
from pyg_gears.training import encoder_module
from pyg_gears.training.embedding_recipe import D7Embedding, LearnedEmbedding
from pyg_gears.training.encoder_module import EncoderModule, EncoderSlide
from pyg_gears.training.encoder_networks import divide
from pyg_gears.training.encoder_networks import train_networks as train_with_steps

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
        "lr": 1e-2,
    }
)


class Killed(RuntimeError):
    pass


def train_networks(*arguments: Any, **options: Any) -> list[torch.nn.Module]:
    return train_with_steps(*arguments, steps=arguments[0].steps, **options).members


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
    chosen = SMALL.change({"steps": 9})
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
    chosen = SMALL.change({"steps": steps, "evaluate_every": every})
    train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=0, folder=tmp_path)
    assert len(module) == 1 + measured
    assert module[-1].best[0] == measured
    rows = list(csv.DictReader((tmp_path / "log.csv").read_text().splitlines()))
    assert [float(row["overlap"]) for row in rows] == list(range(1, measured + 1))
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert state["global_step"] == steps
    for name, value in state["best"]["members"].items():
        assert torch.equal(value, state["state_dict"][f"members.{name}"])


@pytest.mark.parametrize(
    ("values", "kept"), [([0.5, 0.1, 0.2, 0.3], 0), ([0.0, 0.9, 0.1, 0.2], 3), ([0.0, 0.1, 0.2, 0.3], 9)]
)
def test_a_training_of_the_steps_that_were_kept_ends_in_that_state(monkeypatch, tmp_path, values, kept: int) -> None:
    overlaps = iter(values)
    monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: SimpleNamespace(overlap=next(overlaps)))
    a, b, held_out = embedded_slides(slides=3)
    chosen = SMALL.change({"steps": 9})
    unseen = divide([a, b], chosen, 0)
    best = train_with_steps(chosen, [a, b], unseen, [held_out], steps=chosen.steps, seed=0)
    assert best.steps == kept
    again = train_with_steps(chosen, [a, b], unseen, [], steps=best.steps, seed=0, folder=tmp_path)
    assert again.steps == kept
    assert same(weights(best.members), weights(again.members))
    other = train_networks(chosen, [a, b], unseen, [], seed=0)
    assert same(weights(other), weights(again.members)) == (kept == 9)


def test_networks_without_steps_are_reported_as_such(capsys) -> None:
    a, b = embedded_slides()
    found = train_with_steps(SMALL, [a, b], divide([a, b], SMALL, 0), [], steps=0, seed=0, progress=True)
    assert all(torch.equal(member.linear.weight, torch.eye(6, 10)) for member in found.members)
    assert "encoder of all slides: no steps" in capsys.readouterr().err


def test_steps_are_those_of_the_recipe_where_the_last_state_is_kept() -> None:
    a, b, held_out = embedded_slides(slides=3)
    chosen = SMALL.change({"keep": "last"})
    assert (
        train_with_steps(chosen, [a, b], divide([a, b], chosen, 0), [held_out], steps=chosen.steps, seed=0).steps == 6
    )


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
    chosen = SMALL.change({"lr": lr, "steps": 8, "evaluate_every": 2})
    found = train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=0)
    assert overlap_of(found, held_out) >= neighbor_agreement(held_out.features[:, :6], held_out.pos).overlap


def test_networks_learn_which_features_follow_the_tissue() -> None:
    """Judged on a slide that neither trained nor chose anything."""
    a, b, held_out, new = embedded_slides(100, slides=4)
    chosen = SMALL.change({"steps": 40, "evaluate_every": 20, "lr": 3e-2, "out_channels": 10})
    found = train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=0)
    untrained = neighbor_agreement(new.features, new.pos).overlap
    assert overlap_of(found, new) > untrained + 0.1


def test_the_best_state_survives_a_kill(monkeypatch, tmp_path) -> None:
    """The best is the one of the first measurement; the run dies after the second."""
    a, b, held_out = embedded_slides(slides=3)
    chosen = SMALL.change({"steps": 9})
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


@pytest.mark.parametrize("folds", [2, 3, 7])
def test_each_division_leaves_every_spot_out_once(folds: int) -> None:
    slides = [*embedded_slides(50, 1), *embedded_slides(33, 1)]
    chosen = LearnedEmbedding(folds=folds, repeats=3)
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


def test_with_one_fold_everything_counts_as_unseen() -> None:
    slides = embedded_slides(20)
    unseen = divide(slides, LearnedEmbedding(folds=1, repeats=2), seed=0)
    assert len(unseen) == 2
    assert all(part.all() for parts in unseen for part in parts)
    d7 = divide(slides, D7Embedding(), seed=0)
    assert len(d7) == 1
    assert all(part.all() for part in d7[0])


@pytest.mark.parametrize("folder", [False, True])
def test_the_last_state_is_kept_where_the_recipe_says_so(monkeypatch, tmp_path, folder: bool) -> None:
    a, b, held_out = embedded_slides(slides=3)
    place = tmp_path if folder else None
    falling = iter(range(0, -1000, -1))
    monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: SimpleNamespace(overlap=float(next(falling))))
    found = []
    for keep in ("last", "best"):
        chosen = SMALL.change({"keep": keep})
        own = place and place / keep
        unseen = divide([a, b], chosen, 0)
        found.append(train_networks(chosen, [a, b], unseen, [held_out], seed=0, folder=own))
        if own is not None:  # what is finished is taken up in the same state
            again = train_networks(chosen, [a, b], unseen, [held_out], seed=0, folder=own)
            assert same(weights(again), weights(found[-1]))
    last, best = found
    assert all(torch.equal(member.linear.weight, torch.eye(6, 10)) for member in best)
    assert not any(torch.equal(member.linear.weight, torch.eye(6, 10)) for member in last)


@pytest.mark.parametrize("folder", [False, True])
def test_with_nothing_held_out_the_last_state_is_kept(monkeypatch, tmp_path, folder: bool) -> None:
    a, b, held_out = embedded_slides(slides=3)
    unseen = divide([a, b], SMALL, 0)
    last = train_networks(SMALL.change({"keep": "last"}), [a, b], unseen, [held_out], seed=0)
    monkeypatch.setattr(encoder_module, "neighbor_agreement", lambda *_: 1 / 0)
    place = tmp_path if folder else None
    for _ in range(2):  # the second time what is finished is taken up
        found = train_networks(SMALL, [a, b], unseen, [], seed=0, folder=place)
        assert same(weights(found), weights(last))


def test_the_norm_term_brings_the_slides_to_one_length() -> None:
    """The features of one slide are three times those of the other."""
    a, b, held_out = embedded_slides(slides=3)
    b = b._replace(features=3 * b.features)
    ratios = []
    for norm in (0.0, 50.0):
        chosen = D7Embedding(norm=norm, hidden=(16,), steps=60, evaluate_every=60, lr=1e-2, vicreg=None)
        (network,) = train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=0)
        with torch.no_grad():
            lengths = [float(network(slide.features).norm(dim=1).mean()) for slide in (a, b)]
        ratios.append(max(lengths) / min(lengths))
    assert ratios[0] > 1.5
    assert ratios[1] < 1.2


def test_the_network_of_d7_is_plain_and_of_its_widths() -> None:
    a, held_out = embedded_slides(slides=2)
    chosen = D7Embedding(steps=1, evaluate_every=1)
    (network,) = train_networks(chosen, [a], divide([a], chosen, 0), [held_out], seed=0)
    assert network.linear is None
    assert [layer.weight.shape for layer in network.mlp if isinstance(layer, torch.nn.Linear)] == [
        (512, 10),
        (256, 512),
        (128, 256),
    ]


def test_the_seed_decides_and_global_states_stay() -> None:
    a, b, held_out = embedded_slides(slides=3)
    chosen = SMALL.change({"adversary": {"weight": 1.0}})
    before = torch.get_rng_state()
    found = [weights(train_networks(chosen, [a, b], divide([a, b], chosen, 0), [held_out], seed=s)) for s in (0, 0, 1)]
    assert torch.equal(before, torch.get_rng_state())
    assert same(found[0], found[1])
    assert not same(found[0], found[2])


def test_a_folder_belongs_to_one_recipe_seed_and_tissue(tmp_path) -> None:
    a, b, held_out = embedded_slides(slides=3)
    unseen = divide([a, b], SMALL, 0)
    first = train_networks(SMALL, [a, b], unseen, [held_out], seed=0, folder=tmp_path)
    for chosen, slides, seed in (
        (SMALL.change({"noise": 0.1}), [a, b], 0),
        (SMALL, [a, b], 1),
        (SMALL, [b, a], 0),
        (SMALL, [a, b._replace(pos=2 * b.pos)], 0),
    ):
        with pytest.raises(ValueError, match=r"expected the recipe.* of the run begun in .*, found"):
            train_networks(chosen, slides, unseen, [held_out], seed=seed, folder=tmp_path)
    again = train_networks(SMALL, [a, b], unseen, [held_out], seed=0, folder=tmp_path)
    assert same(weights(again), weights(first))


def test_training_against_the_modality_hides_what_tells_cells_from_spots() -> None:
    """Cells that differ in two of the features: how well a line separates their embedding from that of new spots."""
    from sklearn.linear_model import LogisticRegression

    a, b, held_out, new = embedded_slides(150, slides=4)
    cells = torch.randn(300, 10, generator=torch.Generator().manual_seed(5))
    cells[:, 2:4] += 2.0
    found = {}
    for against in (None, "modality"):
        adversary = against and {"weight": 0.3, "against": against}
        changes = {"steps": 250, "evaluate_every": 250, "lr": 5e-3, "keep": "last", "folds": 1, "adversary": adversary}
        chosen = SMALL.change(changes)
        unseen = divide([a, b], chosen, 0)
        (member,) = train_networks(chosen, [a, b], unseen, [held_out], seed=0, cells=cells[:200] if against else None)
        with torch.no_grad():
            x = torch.cat([member(new.features), member(cells[200:])]).numpy()
        label = np.repeat([0, 1], [len(new.features), 100])
        probe = LogisticRegression(class_weight="balanced").fit(x / x.std(), label)
        found[against] = np.mean([probe.score(x[label == c] / x.std(), label[label == c]) for c in (0, 1)])
        assert overlap_of([member], new) > 0.6
    assert found["modality"] < found[None] - 0.1

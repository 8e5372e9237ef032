from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pyg_gears.errors import InputError
from pyg_gears.lab.experiments import fold
from pyg_gears.lab.experiments.fold import Preparation, check_protocol, prepare_fold, prepare_folds


def test_keys_follow_what_preparation_reads_and_nothing_else(recipe) -> None:
    base = Preparation("slide_1", "inductive", recipe, "own")
    for changes in ({"loss": {"deep": 0.1}}, {"model": {"gate": {"beta": 1.0}}}, {"training": {"lr": 1e-3}}):
        other = Preparation("slide_1", "inductive", recipe.change(changes), "own")
        assert (other.key, other.encoder_key) == (base.key, base.encoder_key)
    for changes in (
        {"graph": {"k": 10}},
        {"minisets": {"count": 6}},
        {"training": {"validation": 3}},
        {"model": {"gate": {"target": "walk2"}}},
        {"model": {"gate": {"projection": {"channels": 3}}}},
    ):
        other = Preparation("slide_1", "inductive", recipe.change(changes), "own")
        assert other.key != base.key
        assert other.encoder_key == base.encoder_key
    for other in (
        Preparation("slide_0", "inductive", recipe, "own"),
        Preparation("slide_1", "inductive", recipe.change({"embedding": {"components": 5}}), "own"),
        Preparation("slide_1", "inductive", recipe.change({"training": {"seed": 1}}), "own"),
    ):
        assert other.key != base.key
        assert other.encoder_key != base.encoder_key
    other = Preparation("slide_1", "transductive", recipe, "own")
    assert (other.key != base.key, other.encoder_key != base.encoder_key) == (True, True)
    keys = [
        Preparation(
            "slide_1",
            "inductive",
            recipe.change({"model": {"gate": {"channels": 8, "projection": {"channels": d}}}}),
            "own",
        ).key
        for d in (2, 3)
    ]
    assert keys[0] != keys[1]
    assert Preparation("slide_1", "inductive", recipe, "noise").key != base.key
    assert Preparation("slide_1", "inductive", recipe, "noise").encoder_key == base.encoder_key


def test_one_slide_is_held_out_and_minisets_wait_on_disk(recipe, slides, tmp_path) -> None:
    preparation = Preparation("slide_0", "inductive", recipe, "own")
    prepared = prepare_folds([preparation], slides, tmp_path)[preparation.key]
    assert [slide.name for slide in prepared.train.slides] == ["slide_1"]
    assert [slide.name for slide in prepared.validation.slides] == ["slide_0"]
    assert len(list(prepared.train.folder.iterdir())) == len(prepared.train)
    assert len(list(prepared.validation.folder.iterdir())) == len(prepared.validation)
    assert not prepared.train._kept
    assert prepared.train.keep_in_memory


def test_noise_keeps_the_spread_of_channels_and_the_targets(recipe, slides, tmp_path) -> None:
    own, noise = (Preparation("slide_1", "inductive", recipe, kind) for kind in ("own", "noise"))
    found = prepare_folds([own, noise], slides, tmp_path)
    a, b = found[own.key], found[noise.key]
    x, y = a.train.slides[0].x, b.train.slides[0].x
    assert torch.corrcoef(torch.stack([x.flatten(), y.flatten()]))[0, 1].abs() < 0.2
    torch.testing.assert_close(y.mean(dim=0), x.mean(dim=0), atol=0.5 * float(x.std()), rtol=0)
    torch.testing.assert_close(y.std(dim=0), x.std(dim=0), rtol=0.35, atol=0)
    assert torch.equal(a.validation[0].stress_distance, b.validation[0].stress_distance)
    assert not torch.equal(a.validation[0].edge_index, b.validation[0].edge_index)
    again = prepare_folds([noise], slides, tmp_path)[noise.key]
    assert torch.equal(again.train.slides[0].x, y)


def test_random_candidates_change_the_edges_and_nothing_else(recipe, slides, tmp_path) -> None:
    own, random = (Preparation("slide_1", "inductive", recipe, "own", kind) for kind in ("own", "random"))
    assert own.key != random.key
    assert own.encoder_key == random.encoder_key
    found = prepare_folds([own, random], slides, tmp_path)
    a, b = found[own.key], found[random.key]
    for one, other in ((a.train, b.train), (a.validation, b.validation)):
        assert len(one) == len(other)
        assert torch.equal(one[0].x, other[0].x)
        assert torch.equal(one[0].stress_distance, other[0].stress_distance)
        assert one[0].edge_index.shape == other[0].edge_index.shape
        assert not torch.equal(one[0].edge_index, other[0].edge_index)
    # What lays out later searches as the training did.
    assert torch.equal(b.candidates(b.train[0].clone()).edge_index, b.train[0].edge_index)


def test_the_encoder_is_trained_once_for_all_graphs(recipe, slides, tmp_path, monkeypatch) -> None:
    encoder = {"out_channels": 4, "hidden": [4], "steps": 2, "evaluate_every": 1, "folds": 2, "repeats": 1}
    learned = recipe.change(
        {"embedding": {"kind": "learned", "front": {"kind": "spatial", "components": 8}, **encoder}}
    )
    from pyg_gears.training.encoder_module import EncoderModule

    steps, step = [], EncoderModule.training_step
    monkeypatch.setattr(
        EncoderModule, "training_step", lambda self, *a: (steps.append(1), step(self, *a))[1], raising=True
    )
    preparations = [Preparation("slide_1", "inductive", learned.change({"graph": {"k": k}}), "own") for k in (10, 15)]
    found = prepare_folds(preparations, slides, tmp_path)
    assert len(steps) == 2
    a, b = (found[preparation.key] for preparation in preparations)
    assert torch.equal(a.train.slides[0].x, b.train.slides[0].x)
    assert a.train[0].edge_index.size(1) < b.train[0].edge_index.size(1)


def test_the_preparation_reads_no_other_field(recipe, slides, tmp_path, monkeypatch) -> None:
    """Else runs that differ in it would share minisets by mistake."""
    read = set()

    class Spy:
        def __init__(self, of, path):
            self.__dict__.update(_of=of, _path=path)

        def __getattr__(self, name):
            value, path = getattr(self._of, name), f"{self._path}.{name}".strip(".")
            if path in ("training", "model", "model.gate"):
                return Spy(value, path)
            read.add(path)
            return value

    fold.prepare(Spy(recipe, ""), slides, None, "slide_1", tmp_path)
    gate = {"model.gate.target", "model.gate.projection"}
    assert read == {"embedding", "minisets", "views", "graph", "training.seed", "training.validation", *gate}


def test_minisets_in_pairs_are_not_shared_with_single_ones(recipe) -> None:
    paired = recipe.change({"loss": {"overlap": {}}})
    alone, pairs = (Preparation("slide_1", "inductive", one, "own") for one in (recipe, paired))
    assert alone.key != pairs.key
    assert alone.encoder_key == pairs.encoder_key


def test_a_fold_without_the_slide_is_refused(recipe, slides, tmp_path) -> None:
    with pytest.raises(ValueError, match="expected validate to name one of the slides"):
        prepare_folds([Preparation("nowhere", "inductive", recipe, "own")], slides, tmp_path)


def test_the_transductive_encoder_has_seen_the_expression_and_not_the_place(recipe, slides) -> None:
    moved = [slides[0], replace(slides[1], pos=slides[1].pos[::-1].copy())]
    half = replace(slides[1], counts=slides[1].counts.multiply(slides[1].counts > 1).tocsr())
    changed = [slides[0], half]

    def embedding(protocol, used):
        return prepare_fold(recipe, used, "slide_1", protocol).train.slides[0].x

    inductive, transductive = embedding("inductive", slides), embedding("transductive", slides)
    assert not torch.equal(inductive, transductive)
    assert torch.equal(embedding("inductive", changed), inductive)
    assert not torch.equal(embedding("transductive", changed), transductive)
    assert torch.equal(embedding("transductive", moved), transductive)


def test_the_encoder_of_d7_sees_the_expression_too(recipe, slides) -> None:
    tiny = {"kind": "d7", "hidden": [8], "out_channels": 4, "steps": 4, "evaluate_every": 4}
    d7 = recipe.change({"embedding": tiny})
    x = {p: prepare_fold(d7, slides, "slide_1", p).train.slides[0].x for p in ("inductive", "transductive")}
    assert x["inductive"].shape == x["transductive"].shape
    assert not torch.equal(x["inductive"], x["transductive"])


def test_the_published_encoder_mixes_the_slide_in_or_needs_another(recipe, slides) -> None:
    tiny = {"kind": "published", "hidden": [8], "out_channels": 4, "steps": 4, "evaluate_every": 4, "batch_spots": 32}
    published = recipe.change({"embedding": tiny})
    turned = [slides[0], replace(slides[1], counts=slides[1].counts[:, ::-1].tocsr())]
    seen, other = (
        prepare_fold(published, used, "slide_1", "transductive").train.slides[0].x for used in (slides, turned)
    )
    assert not torch.equal(seen, other)
    with pytest.raises(
        InputError, match=r"expected cells or two training slides for embedding\.kind=published, found 1"
    ):
        prepare_fold(published, slides, "slide_1", "inductive")


def test_a_protocol_without_effect_is_refused(recipe) -> None:
    learned = {"kind": "learned", "front": {"kind": "genes"}}
    for embedding in (
        {"kind": "pca"},
        {"kind": "published"},
        {"kind": "d7"},
        {"kind": "learned"},
        {**learned, "vicreg": {}},
    ):
        check_protocol(recipe.change({"embedding": embedding}), "transductive")
    positions = recipe.change({"embedding": learned})
    check_protocol(positions, "inductive")
    with pytest.raises(InputError, match=r"expected embedding\.vicreg or components with the transductive protocol"):
        check_protocol(positions, "transductive")

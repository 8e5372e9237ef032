from __future__ import annotations

from functools import partial
from itertools import combinations

import pytest
import torch

from pyg_gears.data import simulate_tissue, write_simulation
from pyg_gears.encoders import LearnedEncoder
from pyg_gears.errors import InputError
from pyg_gears.lab.encoders import learned_rows as learned_rows_module
from pyg_gears.lab.encoders.batch_effect import batch_effect, check_batch_effect
from pyg_gears.lab.encoders.learned_rows import fit_learned, learned_rows
from pyg_gears.lab.encoders.subject import slides_subject
from pyg_gears.training.embedding_recipe import LearnedEmbedding, SpatialFront

NAMES = ["learned", "learned, CORAL 10", "learned, CORAL 100", "learned, MMD 10", "learned, MMD 100"]


@pytest.fixture(scope="module")
def slides():
    return simulate_tissue("layers", slides=3, cells=30, seed=0, spots=60, genes=60).slides


@pytest.fixture
def short(monkeypatch) -> None:
    """One small network and few steps."""
    small = partial(
        LearnedEmbedding,
        front=SpatialFront(components=8),
        out_channels=4,
        hidden=(8,),
        folds=1,
        repeats=1,
        steps=5,
        lr=0.02,
        min_autocorrelation=-1.0,
    )
    monkeypatch.setattr(learned_rows_module, "LearnedEmbedding", small)


def test_every_row_is_a_learned_encoder_of_its_training_slides(slides, short) -> None:
    rows = learned_rows(seed=2)
    assert [row.name for row in rows] == NAMES
    subject = slides_subject(slides, held_out=("slide_2",), rows=rows, seed=2)
    (fold,) = subject.embedding(NAMES[0]).folds
    assert [slide.name for slide in fold.seen] == ["slide_0", "slide_1"]
    for row in rows:
        (fold,) = subject.embedding(row.name).folds
        assert isinstance(fold.encoder, LearnedEncoder)
    for name, weights in (("learned, CORAL 10", {"coral": 10.0}), ("learned, MMD 100", {"mmd": 100.0})):
        (fold,) = subject.embedding(name).folds
        assert torch.equal(fit_learned(slides[:2], seed=2, **weights).encode(slides[2]), fold.xs["slide_2"])
    found = [subject.embedding(name).fitted.xs["slide_0"] for name in NAMES]
    assert not any(torch.equal(a, b) for a, b in combinations(found, 2))


def test_nothing_but_the_training_slides_decides(slides, monkeypatch) -> None:
    asked = []
    real = learned_rows_module.fit_encoder

    def spy(recipe, training, cells, held_out, *, seed):
        asked.append((recipe, [slide.name for slide in training], cells, [slide.name for slide, _ in held_out], seed))
        return real(
            LearnedEmbedding.read({**recipe.as_dict(), "steps": 1, "folds": 1}), training, cells, held_out, seed=seed
        )

    monkeypatch.setattr(learned_rows_module, "fit_encoder", spy)
    fit_learned(slides[:2], seed=5, coral=3.0)
    ((recipe, training, cells, held_out, seed),) = asked
    assert recipe == LearnedEmbedding(coral=3.0, repeats=1, keep="last", evaluate_every=120)
    assert (training, cells, held_out, seed) == (["slide_0", "slide_1"], None, ["slide_0", "slide_1"], 5)


def test_two_slides_must_be_left_to_train_on(tmp_path) -> None:
    paths = write_simulation(tmp_path, tissue="layers", slides=3, cells=30, seed=0, spots=40)[:3]
    for chosen, held_out, left in (
        (paths[:2], (), 1),
        (paths[:2], ("slide_1",), 1),
        (paths, ("slide_0", "slide_2"), 1),
    ):
        with pytest.raises(
            InputError,
            match=rf"expected two or more slides to train the learned encoder on .*, found {left}; name another",
        ):
            check_batch_effect(chosen, tmp_path / "out", None, held_out=held_out, learned=True)
        check_batch_effect(chosen, tmp_path / "out", None, held_out=held_out)
    check_batch_effect(paths, tmp_path / "out", None, held_out=("slide_1",), learned=True)


def test_the_rows_come_when_asked_for(tmp_path, monkeypatch) -> None:
    paths = write_simulation(tmp_path, tissue="layers", slides=3, cells=30, seed=0, spots=40)[:3]
    names: list[list[str]] = []

    class Enough(Exception):
        pass

    def stop(*_, rows, **__):
        names.append([row.name for row in rows])
        raise Enough

    monkeypatch.setattr("pyg_gears.lab.encoders.subject.slides_subject", stop)
    for learned in (False, True):
        with pytest.raises(Enough):
            batch_effect(paths, tmp_path / "out", learned=learned)
    assert names[1] == [*names[0], *NAMES]

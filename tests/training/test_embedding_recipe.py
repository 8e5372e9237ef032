from __future__ import annotations

import json

import pytest
import yaml

from pyg_gears.configuration import Configuration
from pyg_gears.encoders import AdapterWeights, Normalization
from pyg_gears.errors import InputError
from pyg_gears.training.embedding_recipe import (
    AdapterRecipe,
    D7Embedding,
    EmbeddingRecipe,
    LearnedEmbedding,
    PCAEmbedding,
    PublishedEmbedding,
    SpatialEmbedding,
)


class Whole(Configuration):
    embedding: EmbeddingRecipe = LearnedEmbedding()


def change(**values: object) -> Configuration:
    return Whole().change({"embedding": values}).embedding


OUT_OF_RANGE = [
    ({"genes": 1}, "genes at least 2, found 1"),
    ({"target_sum": 0.0}, "target_sum above 0"),
    ({"kind": "spatial", "components": 1}, "components at least 2"),
    ({"front": {"components": 1}}, "front.components at least 2"),
    ({"front": {"kind": "pca", "components": 1}}, "front.components at least 2"),
    ({"hidden": [64, 0]}, r"hidden.1 at least 1"),
    ({"out_channels": 1}, "out_channels at least 2"),
    ({"min_autocorrelation": -1.1}, "min_autocorrelation at least -1"),
    ({"min_autocorrelation": 1.1}, "min_autocorrelation at most 1"),
    ({"infonce": {"weight": 0.0}}, "infonce.weight above 0"),
    ({"infonce": {"temperature": 0.0}}, "infonce.temperature above 0"),
    ({"infonce": {"neighbors": 0}}, "infonce.neighbors at least 1"),
    ({"infonce": {"hard_negatives": -1.0}}, "infonce.hard_negatives at least 0"),
    ({"vicreg": {"weight": 0.0}}, "vicreg.weight above 0"),
    ({"vicreg": {"invariance": -1.0}}, "vicreg.invariance at least 0"),
    ({"vicreg": {"variance": -1.0}}, "vicreg.variance at least 0"),
    ({"vicreg": {"covariance": -1.0}}, "vicreg.covariance at least 0"),
    ({"vicreg": {"invariance_warmup": 1.1}}, "vicreg.invariance_warmup at most 1"),
    ({"vicreg": {"invariance_warmup": -0.1}}, "vicreg.invariance_warmup at least 0"),
    ({"adversary": {"weight": 0.0}}, "adversary.weight above 0"),
    ({"adapter": {"coral": -1.0}}, "adapter.coral at least 0"),
    ({"adapter": {"mmd": -1.0}}, "adapter.mmd at least 0"),
    ({"adapter": {"identity": -1.0}}, "adapter.identity at least 0"),
    ({"adapter": {"steps": -1}}, "adapter.steps at least 0"),
    ({"adapter": {"lr": 0.0}}, "adapter.lr above 0"),
    ({"norm": -0.1}, "norm at least 0"),
    ({"coral": -0.1}, "coral at least 0"),
    ({"mmd": -0.1}, "mmd at least 0"),
    ({"noise": -0.1}, "noise at least 0"),
    ({"dropout": 0.96}, "dropout at most 0.95"),
    ({"dropout": -0.1}, "dropout at least 0"),
    ({"scale_jitter": -0.1}, "scale_jitter at least 0"),
    ({"folds": 0}, "folds at least 1"),
    ({"repeats": 0}, "repeats at least 1"),
    ({"steps": 0}, "steps at least 1"),
    ({"evaluate_every": 0}, "evaluate_every at least 1"),
    ({"batch_spots": 31}, "batch_spots at least 32"),
    ({"lr": 0.0}, "lr above 0"),
    ({"weight_decay": -0.1}, "weight_decay at least 0"),
    ({"kind": "published", "layer_dropout": 0.96}, "layer_dropout at most 0.95"),
    ({"kind": "published", "scale_jitter": 1.1}, "scale_jitter at most 1"),
    ({"kind": "published", "coral": -1.0}, "coral at least 0"),
    ({"kind": "published", "mmd": -1.0}, "mmd at least 0"),
    ({"kind": "published", "ramp_begin": -0.1}, "ramp_begin at least 0"),
    ({"kind": "published", "ramp_end": 1.1}, "ramp_end at most 1"),
    ({"kind": "published", "clip": 0.0}, "clip above 0"),
    ({"kind": "published", "adversary": {"steps": 0}}, "adversary.steps at least 1"),
    ({"kind": "published", "adversary": {"rate": 0.0}}, "adversary.rate above 0"),
    ({"kind": "published", "adversary": {"hidden": [0]}}, "adversary.hidden.0 at least 1"),
    ({"kind": "published", "adversary": {"dropout": 1.0}}, "adversary.dropout at most 0.95"),
    ({"kind": "published", "adversary": {"weight_decay": -1.0}}, "adversary.weight_decay at least 0"),
    ({"kind": "published", "mutual": {"weight": 0.0}}, "mutual.weight above 0"),
    ({"kind": "published", "mutual": {"least": 1.1}}, "mutual.least at most 1"),
    ({"kind": "published", "mutual": {"temperature": 0.0}}, "mutual.temperature above 0"),
    ({"kind": "published", "mutual": {"begin": -0.1}}, "mutual.begin at least 0"),
    ({"kind": "published", "mutual": {"end": 1.1}}, "mutual.end at most 1"),
    ({"kind": "published", "consistency": {"weight": 0.0}}, "consistency.weight above 0"),
    ({"kind": "published", "consistency": {"neighbors": 0}}, "consistency.neighbors at least 1"),
    ({"kind": "published", "consistency": {"refresh": 0}}, "consistency.refresh at least 1"),
    ({"kind": "published", "patients": {"weight": 0.0}}, "patients.weight above 0"),
    ({"kind": "published", "selection": {"begin": 1.1}}, "selection.begin at most 1"),
    ({"kind": "published", "selection": {"neighbors": 0}}, "selection.neighbors at least 1"),
    ({"kind": "published", "selection": {"sample": 1}}, "selection.sample at least 2"),
]


@pytest.mark.parametrize(("values", "message"), OUT_OF_RANGE, ids=str)
def test_numbers_out_of_range_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"expected embedding.{message}"):
        change(**values)


@pytest.mark.parametrize("section", [LearnedEmbedding, SpatialEmbedding, PCAEmbedding, D7Embedding, PublishedEmbedding])
def test_every_number_is_checked(section: type[Configuration]) -> None:
    checked = {name for values, _ in OUT_OF_RANGE for name in values if name != "kind"}
    free = set(section.model_fields) - checked
    assert free <= {"kind", "transform", "cross_fit", "keep"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "umap"}, "expected embedding.kind among learned, spatial, pca, published, d7, found 'umap'"),
        ({"kind": "spatal"}, r"\(did you mean 'spatial'"),
        ({"transform": "log"}, r"expected embedding.transform among log1p, sqrt, found 'log' \(did you mean 'log1p'"),
        ({"front": {"kind": "gene"}}, r"embedding.front.kind among spatial, pca, genes, found 'gene' \(did you mean"),
        ({"keep": "first"}, "expected embedding.keep among best, last"),
        ({"adversary": {"against": "cells"}}, "expected embedding.adversary.against among slides, modality"),
        ({"components": 5}, "found 'embedding.components'; kind spatial or pca has it"),
        (
            {"front": {"kind": "genes", "components": 5}},
            "found 'embedding.front.components'; kind spatial or pca has it",
        ),
        ({"kind": "pca", "steps": 5}, "found 'embedding.steps'; kind learned or published or d7 has it"),
        ({"kind": "published", "folds": 5}, "found 'embedding.folds'; kind learned has it"),
        (
            {"kind": "published", "cross_fit": True},
            "found 'embedding.cross_fit'; kind learned or spatial or pca has it",
        ),
        ({"zscore": True}, "expected a field of embedding of kind learned, found 'embedding.zscore'"),
        ({"infonce": None}, "expected embedding.infonce or embedding.vicreg, found neither; set one of them"),
        ({"out_channels": 41}, "embedding.out_channels at most embedding.front.components, found 41 of 40; lower"),
        ({"hidden": [0.5]}, "expected embedding.hidden.0 to be a valid integer"),
    ],
    ids=str,
)
def test_the_rest_is_checked_too(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        change(**values)


def test_the_bounds_themselves_are_allowed() -> None:
    change(front={"components": 2}, out_channels=2, batch_spots=32, dropout=0.95, hidden=[])
    change(infonce=None, vicreg={"invariance_warmup": 1}, noise=0.0, folds=1, repeats=1, steps=1, evaluate_every=1)
    assert change(front={"kind": "genes"}, out_channels=128).out_channels == 128
    assert change(genes=None).genes is None


def test_the_defaults_are_those_that_were_measured() -> None:
    assert LearnedEmbedding().as_dict() == {
        "kind": "learned",
        "genes": 3000,
        "target_sum": 1000.0,
        "transform": "log1p",
        "cross_fit": True,
        "adapter": {"coral": 10.0, "mmd": 10.0, "identity": 0.1, "steps": 500, "lr": 1e-3},
        "front": {"kind": "spatial", "components": 40},
        "hidden": [64],
        "out_channels": 32,
        "min_autocorrelation": 0.25,
        "infonce": {"weight": 1.0, "temperature": 0.15, "neighbors": 20, "hard_negatives": 0.0},
        "vicreg": None,
        "adversary": None,
        "norm": 0.0,
        "coral": 0.0,
        "mmd": 0.0,
        "noise": 0.4,
        "dropout": 0.0,
        "scale_jitter": 0.0,
        "folds": 5,
        "repeats": 2,
        "steps": 120,
        "evaluate_every": 20,
        "keep": "best",
        "batch_spots": 512,
        "lr": 3e-3,
        "weight_decay": 1e-3,
    }
    assert SpatialEmbedding().components == PCAEmbedding().components == 20
    assert LearnedEmbedding().normalization == Normalization(1000.0, "log1p")
    assert AdapterRecipe().weights == AdapterWeights()


def test_the_encoder_of_d7_has_the_values_of_its_sources() -> None:
    """Spec 4: SharedEncoder genes-512-256-128, VICReg 25/50/1 with warm-up 0.3, InfoNCE 5, norm 5, 1e-4, 1200, all genes."""
    d7 = change(kind="d7")
    assert (d7.genes, d7.hidden, d7.out_channels) == (None, (512, 256), 128)
    vicreg, infonce = d7.vicreg, d7.infonce
    assert (vicreg.weight, vicreg.invariance, vicreg.variance, vicreg.covariance) == (1.0, 25.0, 50.0, 1.0)
    assert vicreg.invariance_warmup == 0.3
    assert (infonce.weight, infonce.neighbors) == (5.0, 20)
    assert infonce.hard_negatives > 0
    assert (d7.norm, d7.lr, d7.steps, d7.keep) == (5.0, 1e-4, 1200, "last")
    assert d7.adversary is None
    assert d7.adapter.weights == AdapterWeights.published()
    other = change(kind="d7", norm=0.0, infonce={"weight": 2.0}, adapter={"steps": 5})
    assert (other.infonce.weight, other.infonce.hard_negatives) == (2.0, infonce.hard_negatives)
    assert other.adapter.identity == 1.0


def test_the_published_encoder_has_its_published_values() -> None:
    """Spec 10, section 1."""
    found = change(kind="published")
    assert (found.hidden, found.out_channels, found.layer_dropout, found.target_sum) == ((512, 256), 128, 0.1, 1e4)
    assert (found.steps, found.batch_spots, found.lr, found.clip) == (1000, 256, 1e-3, 1.0)
    assert (found.dropout, found.scale_jitter, found.noise) == (0.2, 0.1, 0.01)
    vicreg = found.vicreg  # covariance: published the sum over two views, ours their mean
    assert (vicreg.invariance, vicreg.variance, vicreg.covariance / 2, vicreg.invariance_warmup) == (25, 25, 1, 0)
    adversary, mutual, near = found.adversary, found.mutual, found.consistency
    assert (adversary.weight, adversary.steps, adversary.rate, adversary.hidden) == (50, 10, 3, (256, 256))
    assert (found.coral, found.mmd, mutual.weight, mutual.least, mutual.temperature) == (1, 20, 4, 0.2, 0.07)
    assert (near.weight, near.neighbors, near.refresh) == (10, 15, 50)
    assert [share * found.steps for share in (found.ramp_begin, found.ramp_end)] == [50, 250]
    assert [share * found.steps for share in (mutual.begin, mutual.end)] == [100, 300]
    assert (found.selection.begin * found.steps, found.evaluate_every, found.selection.neighbors) == (250, 100, 20)
    assert (found.adapter, found.patients) == (None, None)
    assert change(kind="published", patients={"of": {"a": "x"}}).patients.weight == 50


@pytest.mark.parametrize("kind", ["learned", "spatial", "pca", "published", "d7"])
def test_the_section_goes_through_json_and_yaml(kind: str) -> None:
    whole = Whole().change({"embedding": {"kind": kind, "target_sum": 500.0}})
    for again in (
        json.loads(json.dumps(whole.as_dict())),
        yaml.safe_load(yaml.safe_dump(whole.as_dict())),
    ):
        assert Whole.read(again) == whole


def test_every_field_is_documented() -> None:
    for section in (LearnedEmbedding, SpatialEmbedding, PCAEmbedding, D7Embedding, PublishedEmbedding, AdapterRecipe):
        missing = [name for name, field in section.model_fields.items() if name != "kind" and not field.description]
        assert not missing

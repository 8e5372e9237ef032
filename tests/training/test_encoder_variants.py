from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from pyg_gears.data import Slide
from pyg_gears.encoders import PublishedEncoder, component_encoder, normalize_expression
from pyg_gears.training.embedding_recipe import D7Embedding, EmbeddingRecipe, LearnedEmbedding, SpatialEmbedding
from pyg_gears.training.encoder_training import EncoderFit, check_embedding, fit_encoder

SHORT = {"hidden": [8], "out_channels": 6, "steps": 6, "evaluate_every": 3, "infonce": {"neighbors": 8}, "lr": 1e-2}
LEARNED = LearnedEmbedding.read({"front": {"components": 10}, "folds": 2, "repeats": 1, **SHORT})
D7 = D7Embedding.read(SHORT)


def fit(chosen: EmbeddingRecipe, slides: Sequence[Slide], cells: Slide | None = None) -> EncoderFit:
    return fit_encoder(chosen, slides[:2], cells, [(slides[2], None)], seed=0)


@pytest.mark.parametrize("cross_fit", [True, False])
@pytest.mark.parametrize("chosen", [LEARNED, SpatialEmbedding(components=5)], ids=["learned", "spatial"])
def test_without_cross_fitting_training_spots_are_embedded_as_all_others(tissue, chosen, cross_fit: bool) -> None:
    found = fit(chosen.change({"cross_fit": cross_fit}), tissue.slides)
    for part, slide in zip(found.train, tissue.slides, strict=False):
        assert torch.equal(part.x, found.encoder.encode(slide)) == (not cross_fit)
        # Whether cells resemble the training spots is judged by features as new spots have them, either way.
        assert not torch.equal(part.features, found.encoder.features(slide))


def test_the_encoder_of_d7_is_one_network_whose_output_is_kept(tissue) -> None:
    found = fit(D7, tissue.slides)
    encoder = found.encoder
    assert isinstance(encoder, PublishedEncoder)
    assert encoder.out_channels == 6
    for part, slide in zip([*found.train, *found.held_out], tissue.slides, strict=True):
        torch.testing.assert_close(part.x, encoder.encode(slide))
        torch.testing.assert_close(part.features, encoder.features(slide))
    dense = normalize_expression(tissue.slides[0], D7.normalization).toarray()
    features = encoder.features(tissue.slides[0]).numpy()
    differences = (features - features[:1]) - (dense - dense[:1])  # centring shifts genes, and scales nothing
    np.testing.assert_allclose(differences, 0, atol=1e-4)


MODALITY = {"adversary": {"weight": 1.0, "against": "modality"}}


@pytest.mark.parametrize("chosen", [LEARNED, D7], ids=["learned", "d7"])
def test_against_the_modality_cells_take_part_in_the_training(tissue, chosen) -> None:
    """With the same cells in the components, only the networks differ."""
    slide = tissue.slides[2]
    plain = fit(chosen.change({"keep": "last"}), tissue.slides, tissue.cells)
    found = fit(chosen.change({"keep": "last", **MODALITY}), tissue.slides, tissue.cells)
    assert torch.equal(plain.encoder.features(slide), found.encoder.features(slide))
    assert not torch.allclose(plain.encoder.encode(slide), found.encoder.encode(slide), atol=1e-4)
    shifted = dataclasses.replace(tissue.cells, counts=tissue.cells.counts[:, ::-1].copy())
    if isinstance(chosen, D7Embedding):  # its front sees no cells
        other = fit(chosen.change({"keep": "last", **MODALITY}), tissue.slides, shifted)
        assert not torch.allclose(other.encoder.encode(slide), found.encoder.encode(slide), atol=1e-5)


def test_what_an_adversary_needs_is_asked_for_before_any_work(tissue, monkeypatch) -> None:
    monkeypatch.setattr(component_encoder, "normalize_expression", lambda *_: pytest.fail("work was done"))
    with pytest.raises(
        ValueError, match=r"^expected cells for embedding.adversary.against=modality, found none; pass cells, or set"
    ):
        fit(LEARNED.change(MODALITY), tissue.slides)
    with pytest.raises(
        ValueError, match=r"expected two or more training slides for embedding.adversary.against=slides, found 1; add"
    ):
        fit_encoder(
            LEARNED.change({"adversary": {"weight": 1.0}}), tissue.slides[:1], None, [(tissue.slides[2], None)], seed=0
        )
    check_embedding(LEARNED.change(MODALITY), ["a"], cells=True)
    check_embedding(LEARNED.change({"adversary": {"weight": 1.0}}), ["a", "b"], cells=False)
    check_embedding(SpatialEmbedding(), ["a"], cells=False)

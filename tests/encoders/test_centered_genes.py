from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch

from pyg_gears.data import simulate_tissue
from pyg_gears.encoders import CenteredGenes, Encoder, Normalization, center, encoder_from_state, normalize_expression


@pytest.fixture(scope="module")
def slides():
    return simulate_tissue("gradient", slides=3, cells=40, seed=0, spots=60, genes=40).slides


def test_encoding_is_the_centred_genes_over_the_training_root_mean_square(slides) -> None:
    normalization = Normalization(1000.0, "sqrt")
    encoder, embedded = CenteredGenes.fit_transform(slides[:2], normalization=normalization)
    assert isinstance(encoder, Encoder)
    values = [center(normalize_expression(slide, normalization)) for slide in slides]
    scale = np.sqrt(np.mean(np.concatenate(values[:2]).astype(np.float64) ** 2))
    for slide, value in zip(slides, values, strict=True):
        found = encoder.encode(slide)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), value / scale, rtol=1e-5, atol=1e-6)
    for slide, x in zip(slides[:2], embedded, strict=True):
        assert torch.equal(x, encoder.encode(slide))
    assert float(torch.cat(embedded).double().square().mean()) == pytest.approx(1, rel=1e-5)
    assert encoder.out_channels == 40
    assert encoder.genes == slides[0].genes


def test_published_input_keeps_units_and_puts_the_overall_mean_back(slides) -> None:
    encoder, embedded = CenteredGenes.fit_transform(slides[:2], normalization=Normalization(), unit=False)
    dense = [normalize_expression(slide).toarray().astype(np.float64) for slide in slides]
    mean = np.concatenate(dense[:2]).mean(axis=0)
    for slide, values in zip(slides, dense, strict=True):
        expected = values - values.mean(axis=0) + mean
        np.testing.assert_allclose(encoder.encode(slide).numpy(), expected, rtol=1e-4, atol=1e-5)
    assert encoder.scale == 1.0
    for slide, x in zip(slides[:2], embedded, strict=True):
        assert torch.equal(x, encoder.encode(slide))


def test_gene_order_and_coordinates_do_not_matter_and_missing_genes_are_named(slides) -> None:
    encoder, _ = CenteredGenes.fit_transform(slides[:1], normalization=Normalization())
    slide = slides[1]
    shuffled = dataclasses.replace(slide.subset_genes(tuple(reversed(slide.genes))), pos=None)
    torch.testing.assert_close(encoder.encode(shuffled), encoder.encode(slide))
    with pytest.raises(ValueError, match=r"[Ee]xpected .*gene"):
        encoder.encode(slide.subset_genes(slide.genes[:-1]))


def test_a_saved_encoder_is_the_same(slides) -> None:
    encoder, _ = CenteredGenes.fit_transform(slides[:2], normalization=Normalization(1000.0, "log1p"), unit=False)
    file = io.BytesIO()
    torch.save(encoder.state(), file)
    file.seek(0)
    again = encoder_from_state(torch.load(file, weights_only=True))
    assert isinstance(again, CenteredGenes)
    assert again.genes == encoder.genes
    assert torch.equal(again.encode(slides[2]), encoder.encode(slides[2]))


def test_slides_without_variation_stay_finite(slides) -> None:
    same = dataclasses.replace(slides[0], counts=type(slides[0].counts)(np.ones((60, 40), dtype=np.float32)))
    encoder, (embedded,) = CenteredGenes.fit_transform([same], normalization=Normalization())
    assert torch.isfinite(embedded).all()
    assert torch.isfinite(encoder.encode(slides[1])).all()


def test_no_slide_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one training slide, found none"):
        CenteredGenes.fit_transform([], normalization=Normalization())

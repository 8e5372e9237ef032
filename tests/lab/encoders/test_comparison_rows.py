from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from pyg_gears.data import Slide, simulate_tissue
from pyg_gears.encoders.base import Encoder
from pyg_gears.encoders.centering import normalize_expression
from pyg_gears.lab.encoders.aligned import AlignedEncoder
from pyg_gears.lab.encoders.comparison_rows import CORAL, CORRECTIONS, RAW, comparison_rows
from pyg_gears.lab.encoders.pooled_pca import PooledPCAEncoder
from pyg_gears.lab.encoders.qc_features import qc_features
from pyg_gears.lab.encoders.slide_probe import slide_probe


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue("layers", slides=3, cells=80, seed=0, spots=90, genes=60)


def test_every_row_is_an_encoder_of_its_training_slides_alone(tissue) -> None:
    rows = comparison_rows(seed=3)
    assert [row.name for row in rows][:4] == list(CORRECTIONS)
    assert len({row.name for row in rows}) == len(rows)
    changed = dataclasses.replace(tissue.slides[2], counts=tissue.slides[2].counts * np.float32(2))
    for row in rows:
        encoder = row.fit(tissue.slides[:2])
        assert isinstance(encoder, Encoder)
        x = encoder.encode(tissue.slides[2])
        assert x.shape == (90, encoder.out_channels)
        assert x.dtype == torch.float32
        assert torch.equal(row.fit(tissue.slides[:2]).encode(tissue.slides[2]), x)
        torch.testing.assert_close(encoder.encode(changed), x, atol=1e-3, rtol=1e-3)
        assert encoder.state()


def test_pooled_pca_is_the_formula_and_keeps_the_shift(tissue) -> None:
    encoder = PooledPCAEncoder.fit(tissue.slides[:2], n_components=5)
    values = [normalize_expression(slide).toarray().astype(np.float64) for slide in tissue.slides]
    pooled = np.concatenate(values[:2])
    _, _, vt = np.linalg.svd(pooled - pooled.mean(axis=0), full_matrices=False)
    found = encoder.encode(tissue.slides[2]).numpy() * encoder.scale
    expected = (values[2] - pooled.mean(axis=0)) @ vt[:5].T
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)
    assert torch.cat([encoder.encode(s) for s in tissue.slides[:2]]).square().mean() == pytest.approx(1.0, rel=1e-4)
    with pytest.raises(ValueError, match="expected at least one training slide"):
        PooledPCAEncoder.fit([], n_components=5)


def test_alignment_gives_every_slide_the_training_moments(tissue) -> None:
    base = PooledPCAEncoder.fit(tissue.slides[:2], n_components=4)
    aligned = AlignedEncoder.fit(base, tissue.slides[:2])
    train = [base.encode(slide) for slide in tissue.slides[:2]]
    within = torch.stack([torch.cov(x.T) for x in train]).mean(dim=0)
    for slide in tissue.slides:
        x = aligned.encode(slide)
        torch.testing.assert_close(x.mean(dim=0), torch.cat(train).mean(dim=0), atol=1e-4, rtol=1e-3)
        difference = (torch.cov(x.T) - within).norm() / within.norm()
        assert difference < 0.1
    with pytest.raises(ValueError, match="expected at least one training slide"):
        AlignedEncoder.fit(base, [])


def test_corrections_remove_the_shift_that_the_raw_embedding_has(tissue) -> None:
    labels = np.repeat([0, 1, 2], 90)
    accuracy = {}
    for row in comparison_rows():
        if row.name in CORRECTIONS:
            encoder = row.fit(tissue.slides)
            accuracy[row.name] = slide_probe(
                np.concatenate([encoder.encode(s) for s in tissue.slides]), labels
            ).accuracy
    assert accuracy[RAW] > 0.9
    assert max(value for name, value in accuracy.items() if name != RAW) < 0.45
    assert CORAL in accuracy


def test_quality_control_features_by_hand() -> None:
    counts = np.zeros((3, 25))
    counts[0, :25] = np.arange(25)
    counts[1, [2, 24]] = 5, 15
    genes = ("Hbb-bs", "RPS3", "Rpl7a", *(f"g{i}" for i in range(21)), "mt-Co1")
    found = qc_features(Slide("s", csr_array(counts), genes, ("a", "b", "empty")))
    one = [np.log1p(300), np.log1p(24), sum(range(5, 25)) / 300, 24 / 300, 3 / 300, 0.0, np.log1p(24) / np.log1p(300)]
    np.testing.assert_allclose(found[0], one)
    np.testing.assert_allclose(found[1], [np.log1p(20), np.log1p(2), 1.0, 0.75, 0.25, 0.0, np.log(3) / np.log(21)])
    np.testing.assert_allclose(found[2], 0.0)
    counts[2, 0] = 4
    bled = qc_features(Slide("s", csr_array(counts), genes, ("a", "b", "blood")))
    np.testing.assert_allclose(bled[2, 3:6], [0.0, 0.0, 1.0])

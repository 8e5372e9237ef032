from __future__ import annotations

import numpy as np
import pytest
import torch

from pyg_gears.data import Slide
from pyg_gears.encoders import (
    CenteredGenes,
    ComponentEncoder,
    Normalization,
    TrainingGenes,
    complete_genes,
    normalize_expression,
)

GENES = tuple(f"g{i}" for i in range(40))


def section(seed: int, n: int = 60) -> Slide:
    rng = np.random.default_rng(seed)
    pos = rng.random((n, 2))
    rate = (1 + 4 * rng.random(40)) * (1.2 + np.sin(4 * pos[:, :1] + np.arange(40)))
    return Slide(f"s{seed}", rng.poisson(rate).astype(np.float32), GENES, tuple(f"c{i}" for i in range(n)), pos)


SLIDES = [section(0), section(1, 45)]
NORMALIZATIONS = [Normalization(1e3), Normalization(1e4, "sqrt")]


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_what_is_known_of_the_training_spots(normalization: Normalization) -> None:
    found = TrainingGenes.of(SLIDES, normalization)
    share = np.concatenate([(c := s.counts.toarray()) / c.sum(axis=1, keepdims=True) for s in SLIDES]).mean(axis=0)
    np.testing.assert_allclose(found.share.numpy(), share, rtol=1e-6)
    within = [normalize_expression(s, normalization).toarray().astype(float).var(axis=0) * len(s) for s in SLIDES]
    np.testing.assert_allclose(found.variance.numpy(), sum(within) / 105, rtol=1e-3)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_a_completed_gene_has_one_normalised_value_and_the_library_is_that_of_training(normalization) -> None:
    training = TrainingGenes.of(SLIDES, normalization)
    cells = section(2)
    kept = [g for i, g in enumerate(GENES) if i not in (3, 17)]
    # Another order, and a gene that the model does not read.
    extra = np.concatenate([cells.subset_genes(kept[::-1]).counts.toarray(), np.full((60, 1), 9.0)], axis=1)
    found = complete_genes(Slide("c", extra, (*kept[::-1], "other"), cells.cells), GENES, training)
    assert found.cells.genes == GENES
    assert found.missing == ("g3", "g17")
    values = normalize_expression(found.cells, normalization).toarray()
    transform = np.log1p if normalization.transform == "log1p" else np.sqrt
    expected = transform(normalization.target_sum * training.share[[3, 17]].numpy())
    np.testing.assert_allclose(values[:, [3, 17]], np.tile(expected, (60, 1)), rtol=1e-5)
    counts = cells.subset_genes(kept).counts.toarray()
    rest = 1 - training.share[[3, 17]].sum().item()
    own = transform(counts / counts.sum(axis=1, keepdims=True) * normalization.target_sum * rest)
    np.testing.assert_allclose(np.delete(values, [3, 17], axis=1), own, rtol=1e-5)
    variance = training.variance.numpy()
    assert found.kept == pytest.approx(1 - variance[[3, 17]].sum() / variance.sum())


@pytest.mark.parametrize("kind", ["components", "genes", "published"])
def test_the_completed_gene_says_nothing_to_an_encoder(kind: str) -> None:
    """Its weights make no difference, beyond a constant shift of all cells."""
    normalization = Normalization(1e3)
    training = TrainingGenes.of(SLIDES, normalization)
    if kind == "components":
        encoder = ComponentEncoder.fit(SLIDES, n_components=5, kind="pca", normalization=normalization)
    else:
        encoder, _ = CenteredGenes.fit_transform(SLIDES, normalization=normalization, unit=kind == "genes")
    cells = section(2).subset_genes([g for g in GENES if g != "g7"])
    x = encoder.encode(complete_genes(cells, GENES, training).cells)
    if kind == "components":
        encoder.components[7] = 1e3
        torch.testing.assert_close(encoder.encode(complete_genes(cells, GENES, training).cells), x, atol=1e-2, rtol=0)
    else:
        mean = encoder.mean[7] / encoder.scale
        torch.testing.assert_close(x[:, 7], mean.expand(60), atol=1e-5, rtol=1e-5)


def test_cells_that_lack_nothing_are_only_put_in_order() -> None:
    training = TrainingGenes.of(SLIDES, NORMALIZATIONS[0])
    cells = section(2).subset_genes(GENES[::-1])
    found = complete_genes(cells, GENES, training)
    assert (found.missing, found.kept) == ((), 1.0)
    np.testing.assert_array_equal(found.cells.counts.toarray(), section(2).counts.toarray())


def test_state_survives() -> None:
    training = TrainingGenes.of(SLIDES, NORMALIZATIONS[0])
    again = TrainingGenes.from_state(training._asdict())
    assert again is not None
    assert torch.equal(again.share, training.share)
    assert torch.equal(again.variance, training.variance)
    assert TrainingGenes.from_state(None) is None


def test_shallow_cells_are_trusted_by_their_share_of_the_shallowest_spots() -> None:
    training = TrainingGenes.of(SLIDES, NORMALIZATIONS[0])
    depths = np.concatenate([slide.counts.toarray().sum(axis=1) for slide in SLIDES])
    assert training.depth == pytest.approx(np.quantile(depths, 0.05))
    found = training.trust(np.array([1.0, training.depth / 4, training.depth, 1e6]))
    np.testing.assert_allclose(found, [1 / training.depth, 0.25, 1.0, 1.0])

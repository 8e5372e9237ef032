from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pyg_gears.data import simulate_tissue
from pyg_gears.encoders import CenteredGenes, ExpressionNetwork, Normalization, PublishedEncoder, centered_genes


@pytest.fixture(scope="module")
def slides():
    return simulate_tissue("gradient", slides=2, cells=40, seed=0, spots=60, genes=40).slides


@pytest.fixture(scope="module")
def encoder(slides) -> PublishedEncoder:
    front, _ = CenteredGenes.fit_transform(slides[:1], normalization=Normalization(), unit=False)
    generator = torch.Generator().manual_seed(0)
    return PublishedEncoder(front, ExpressionNetwork(40, 5, (7, 6), residual=False, generator=generator).train())


def test_the_embedding_is_the_network_of_the_centred_genes_as_it_is(slides, encoder) -> None:
    genes = encoder.front.encode(slides[1])
    first, second, last = (layer for layer in encoder.network.mlp if isinstance(layer, torch.nn.Linear))
    expected = last(F.gelu(second(F.gelu(first(genes)))))
    found = encoder.embed(slides[1])
    torch.testing.assert_close(found.x, expected)
    assert torch.equal(found.features, genes)
    assert encoder.out_channels == 5


def test_it_is_frozen(encoder) -> None:
    assert not encoder.network.training
    assert not any(parameter.requires_grad for parameter in encoder.network.parameters())


def test_a_slide_is_normalised_once(slides, encoder, monkeypatch) -> None:
    calls = []
    real = centered_genes.normalize_expression
    monkeypatch.setattr(centered_genes, "normalize_expression", lambda *args: (calls.append(1), real(*args))[1])
    encoder.embed(slides[1])
    assert len(calls) == 1


def test_missing_genes_are_named(slides, encoder) -> None:
    with pytest.raises(ValueError, match=r"expected all 40 genes, found 1 missing"):
        encoder.embed(slides[1].subset_genes(slides[1].genes[1:]))

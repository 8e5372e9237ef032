from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pyg_gears.data import simulate_tissue
from pyg_gears.encoders import LogGenes, Normalization, NormalizedNetwork, PublishedEncoder, encoder_from_state


def network(*, norm: bool = True, dropout: float = 0.0) -> NormalizedNetwork:
    generator = torch.Generator().manual_seed(0)
    return NormalizedNetwork(40, 5, (7, 6), dropout=dropout, norm=norm, generator=generator)


@pytest.mark.parametrize("norm", [True, False])
def test_every_layer_but_the_last_is_normalised_and_rectified(norm: bool) -> None:
    x = torch.randn(9, 40, generator=torch.Generator().manual_seed(1))
    found = network(norm=norm).eval()
    expected = x
    for layer in found.layers[:-1]:
        expected = layer(expected)
        if norm:
            expected = (expected - expected.mean(1, keepdim=True)) / (
                expected.var(1, False, keepdim=True) + 1e-5
            ).sqrt()
        expected = expected.clamp(min=0)
    torch.testing.assert_close(found(x), F.linear(expected, found.layers[-1].weight, found.layers[-1].bias))
    again = NormalizedNetwork.from_state_dict(found.state_dict())
    assert torch.equal(again(x), found(x))
    assert not again.training


def test_dropout_follows_the_generator_and_only_in_training() -> None:
    x, found = torch.randn(9, 40, generator=torch.Generator().manual_seed(1)), network(dropout=0.5)
    a, b, c = (found(x, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    found.eval()
    assert torch.equal(found(x, torch.Generator().manual_seed(0)), found(x))
    many = torch.stack([network(dropout=0.5)(x, torch.Generator().manual_seed(s)) for s in range(3)])
    assert many.std(dim=0).min().item() > 0


def test_it_is_part_of_an_encoder_that_is_stored_and_read() -> None:
    slide = simulate_tissue("gradient", slides=1, cells=40, seed=0, spots=60, genes=40).slides[0]
    encoder = PublishedEncoder(LogGenes(slide.genes, Normalization()), network().train())
    counts = slide.counts.toarray()
    features = torch.from_numpy(counts / counts.sum(axis=1, keepdims=True) * 1e4).log1p()
    found = encoder.embed(slide)
    torch.testing.assert_close(found.features, features, atol=1e-5, rtol=1e-5)  # not centred
    torch.testing.assert_close(found.x, encoder.network(features), atol=1e-5, rtol=1e-5)
    assert not encoder.network.training
    again = encoder_from_state(encoder.state())
    assert torch.equal(again.encode(slide), found.x)
    with pytest.raises(ValueError, match=r"expected all 40 genes, found 1 missing"):
        encoder.embed(slide.subset_genes(slide.genes[1:]))

from __future__ import annotations

import warnings
from functools import partial

import pytest
import torch
from scipy.sparse import csr_array

from pyg_gears.data import Slide
from pyg_gears.encoders import EmbeddingOutput, Encoder, SCAdapter, domain_gap
from pyg_gears.layout import adapt_query, embed_query


def cloud(n: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator) * torch.tensor([2.0, 1.0, 0.5, 0.2]) * scale


SPOTS = cloud(300, 0)


SHALLOW = {"depth_ratio": 0.4}


CENTRE = 20


class Lender(Encoder):
    """Gives centred counts; neighbours make them smaller by a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def embed(self, slide: Slide) -> EmbeddingOutput:
        x = torch.from_numpy(slide.counts.toarray()) - CENTRE
        return EmbeddingOutput(x, x)

    def borrow(self, embedded: EmbeddingOutput, depth_ratio: float) -> EmbeddingOutput:
        x = self.factor * embedded.x
        return embedded if depth_ratio >= 0.5 else EmbeddingOutput(x, x)


def cells(x: torch.Tensor) -> Slide:
    names = [tuple(f"{what}{i}" for i in range(n)) for what, n in zip("gc", (x.size(1), len(x)), strict=True)]
    return Slide("cells", csr_array(x.numpy()), *names)


@pytest.mark.parametrize(("noise", "borrowed"), [(2.0, True), (1.0, False)])
def test_shallow_cells_borrow_where_it_brings_them_nearer_to_the_spots(noise: float, borrowed: bool) -> None:
    query = cells(cloud(200, 1, noise) + CENTRE)
    found = embed_query(Lender(0.5), query, SPOTS, depth_ratio=0.2)
    plain = Lender(0.5).embed(query)
    assert found.borrowed == borrowed
    expected = plain if not borrowed else Lender(0.5).borrow(plain, 0.2)
    assert torch.equal(found.embedded.x, expected.x)
    assert found.gap == domain_gap(expected.features, SPOTS)


def test_cells_as_deep_as_half_a_spot_borrow_nothing() -> None:
    query = cells(cloud(200, 1, 2.0) + CENTRE)
    found = embed_query(Lender(0.5), query, SPOTS, depth_ratio=0.5)
    assert not found.borrowed
    assert torch.equal(found.embedded.x, Lender(0.5).embed(query).x)


def adapted(x: torch.Tensor, adapter: SCAdapter | None, **options: object):
    return adapt_query(x, SPOTS, domain_gap(x, SPOTS), adapter, **{"depth_ratio": 1.0, **options})


@pytest.mark.parametrize("adapter", [None, SCAdapter.fit(cloud(200, 2, 0.1), SPOTS, steps=0)])
def test_cells_as_deep_as_the_spots_pass_unchanged_and_silently(adapter: SCAdapter | None) -> None:
    x = cloud(200, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = adapted(x, adapter, depth_ratio=0.6)
    assert torch.equal(found.x, x)
    assert not found.adapted


@pytest.fixture
def short_fits(monkeypatch) -> None:
    """From the closed form a few steps lead where many do."""
    monkeypatch.setattr(SCAdapter, "fit", partial(SCAdapter.fit, steps=20))


@pytest.mark.usefixtures("short_fits")
def test_shallow_cells_of_nearly_the_spots_covariance_are_matched() -> None:
    x, adapter = cloud(200, 1, 0.9), SCAdapter.fit(cloud(200, 2, 0.9), SPOTS, steps=0)
    torch.testing.assert_close(adapted(x, adapter, **SHALLOW).x, adapter(x))
    found = adapted(x, None, seed=3, **SHALLOW)
    assert found.adapted
    torch.testing.assert_close(found.x, SCAdapter.fit(x, SPOTS, seed=3)(x))
    assert not adapted(x, adapter, adapt="none", **SHALLOW).adapted


def test_shallow_cells_of_another_covariance_are_not_matched() -> None:
    x = cloud(200, 1, 0.6)
    assert 0.45 < domain_gap(x, SPOTS).covariance < 0.75
    assert not adapted(x, SCAdapter(4), **SHALLOW).adapted


@pytest.mark.parametrize("options", [{}, {"adapt": "none"}, SHALLOW])
def test_far_cells_are_reported_and_not_matched(options) -> None:
    x = cloud(200, 1, 0.1)
    with pytest.warns(UserWarning, match=r"lie far from the training spots \(covariance 0\.9.*same tissue, patient"):
        found = adapted(x, SCAdapter.fit(x, SPOTS, steps=0), **options)
    assert torch.equal(found.x, x)


def test_few_cells_are_never_far_and_never_matched() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not adapted(cloud(60, 1, 0.1), SCAdapter(4)).adapted
        assert not adapted(cloud(60, 1, 0.9), SCAdapter(4), **SHALLOW).adapted


@pytest.mark.usefixtures("short_fits")
def test_match_fits_an_adapter_to_these_cells() -> None:
    x = cloud(200, 1, 0.1)
    found = adapted(x, None, adapt="match", seed=3)
    assert found.adapted
    torch.testing.assert_close(found.x, SCAdapter.fit(x, SPOTS, seed=3)(x))
    assert not domain_gap(found.x, SPOTS).far


def test_another_way_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected adapt among auto, none, match, found 'non' \(did you mean 'none'"):
        adapted(SPOTS, None, adapt="non")

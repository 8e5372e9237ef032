from __future__ import annotations

import warnings

import pytest
import torch

from pyg_gears.encoders import SCAdapter, domain_gap
from pyg_gears.layout import adapt_query


def cloud(n: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=generator) * torch.tensor([2.0, 1.0, 0.5, 0.2]) * scale


SPOTS = cloud(300, 0)


SHALLOW = {"depth_ratio": 0.4}


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


def test_match_fits_an_adapter_to_these_cells() -> None:
    x = cloud(200, 1, 0.1)
    found = adapted(x, None, adapt="match", seed=3)
    assert found.adapted
    torch.testing.assert_close(found.x, SCAdapter.fit(x, SPOTS, seed=3)(x))
    assert not domain_gap(found.x, SPOTS).far


def test_another_way_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected adapt among auto, none, match, found 'non' \(did you mean 'none'"):
        adapted(SPOTS, None, adapt="non")

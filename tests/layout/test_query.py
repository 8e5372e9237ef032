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


def adapted(x: torch.Tensor, adapter: SCAdapter | None, **options: object):
    return adapt_query(x, SPOTS, domain_gap(x, SPOTS), adapter, **options)


@pytest.mark.parametrize("adapter", [None, SCAdapter.fit(cloud(200, 2, 0.1), SPOTS, steps=0)])
def test_cells_like_the_spots_pass_unchanged_and_silently(adapter: SCAdapter | None) -> None:
    x = cloud(200, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = adapted(x, adapter)
    assert torch.equal(found.x, x)
    assert not found.adapted


def test_foreign_cells_without_an_adapter_are_reported_and_still_embedded() -> None:
    x = cloud(200, 1, 0.1)
    for adapt, adapter in (("auto", None), ("none", SCAdapter(4))):
        with pytest.warns(UserWarning, match=r"lie far from the training spots \(covariance 0\.9.*--adapt match"):
            found = adapted(x, adapter, adapt=adapt)
        assert torch.equal(found.x, x)


@pytest.mark.parametrize(
    ("adapter", "options", "words"),
    [
        (None, {}, r"fit with them \(pyg-gears fit \.\.\. --cells CELLS\), or reconstruct with --adapt match"),
        (None, {"fitted_with_cells": True}, r"same tissue; reconstruct with --adapt match"),
        (
            SCAdapter(4),
            {"fitted_with_cells": True, "adapt": "none"},
            r"leave out --adapt none, or reconstruct with --adapt",
        ),
    ],
)
def test_nobody_is_told_to_do_what_was_done(adapter, options, words: str) -> None:
    with pytest.warns(UserWarning, match=words) as heard:
        adapted(cloud(200, 1, 0.1), adapter, **options)
    assert ("fit with them" in str(heard[0].message)) == (not options)


def test_few_cells_are_never_far() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not adapted(cloud(60, 1, 0.1), SCAdapter(4)).adapted


def test_far_cells_go_through_the_adapter_of_the_model() -> None:
    x = cloud(200, 1, 0.1)
    adapter = SCAdapter.fit(x, SPOTS, steps=0)
    found = adapted(x, adapter)
    assert found.adapted
    torch.testing.assert_close(found.x, adapter(x))


def test_match_fits_an_adapter_to_these_cells() -> None:
    x = cloud(200, 1, 0.1)
    found = adapted(x, None, adapt="match", seed=3)
    assert found.adapted
    torch.testing.assert_close(found.x, SCAdapter.fit(x, SPOTS, seed=3)(x))
    assert not domain_gap(found.x, SPOTS).far


def test_another_way_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected adapt among auto, none, match, found 'non' \(did you mean 'none'"):
        adapted(SPOTS, None, adapt="non")

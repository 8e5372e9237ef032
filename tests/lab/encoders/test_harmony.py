from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from pyg_gears.data import simulate_tissue
from pyg_gears.lab.encoders.comparison_rows import RAW, comparison_rows, harmony_row
from pyg_gears.lab.encoders.harmony import harmonize
from pyg_gears.lab.encoders.slide_probe import slide_probe
from pyg_gears.lab.encoders.subject import slides_subject


def shifted(seed: int = 0, n: int = 150) -> list[torch.Tensor]:
    """Two slides of the same three kinds of spots, the second shifted; of unequal size."""
    generator = torch.Generator().manual_seed(seed)
    kinds = 4.0 * torch.eye(3, 6)
    xs = []
    for number, count in enumerate((n, n + 30)):
        x = kinds[torch.arange(count) % 3] + 0.3 * torch.randn(count, 6, generator=generator)
        xs.append(x + 1.5 * number * torch.eye(6)[5])
    return xs


def test_it_removes_a_shift_and_keeps_the_kinds_apart() -> None:
    pytest.importorskip("harmonypy")
    xs = shifted()
    found = harmonize(xs, seed=1)
    assert [x.shape for x in found] == [x.shape for x in xs]
    assert all(x.dtype == torch.float32 for x in found)
    labels = np.repeat([0, 1], [len(x) for x in xs])
    assert slide_probe(torch.cat(xs).numpy(), labels).accuracy > 0.98
    assert slide_probe(torch.cat(found).numpy(), labels).accuracy < 0.8
    kinds = np.concatenate([np.arange(len(x)) % 3 for x in xs])
    assert slide_probe(torch.cat(found).numpy(), kinds).accuracy > 0.98
    assert all(torch.equal(a, b) for a, b in zip(found, harmonize(xs, seed=1), strict=True))


def test_as_many_spots_as_channels_are_not_mixed_up() -> None:
    pytest.importorskip("harmonypy")
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 60, generator=generator) + 3 * (torch.arange(60) % 2)[:, None]
    wide = torch.cat([x, torch.zeros(60, 1)], dim=1)
    square, other = torch.cat(harmonize(x.split(30))), torch.cat(harmonize(wide.split(30)))[:, :60]
    torch.testing.assert_close(square, other, atol=0.3, rtol=0.3)


def test_the_row_is_corrected_on_all_slides_at_once() -> None:
    pytest.importorskip("harmonypy")
    slides = simulate_tissue("layers", slides=3, cells=30, seed=0, spots=80, genes=60).slides
    rows = [row for row in comparison_rows() if row.name == RAW] + [harmony_row(4)]
    subject = slides_subject(slides, held_out=("slide_2",), rows=rows, seed=4)
    for raw, corrected in zip(
        (subject.embedding(RAW).fitted, *subject.embedding(RAW).folds),
        (subject.embedding("Harmony PCA-50").fitted, *subject.embedding("Harmony PCA-50").folds),
        strict=True,
    ):
        expected = harmonize([raw.xs[slide.name] for slide in slides], seed=4)
        for slide, x in zip(slides, expected, strict=True):
            assert torch.equal(corrected.xs[slide.name], x)
            assert not torch.allclose(x, raw.xs[slide.name])


def test_without_the_package_the_hint_comes_first(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "harmonypy", None)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[harmony\]'"):
        harmonize(shifted())

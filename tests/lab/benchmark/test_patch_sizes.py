from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("matplotlib")

from pyg_gears.data import Slide
from pyg_gears.errors import InputError
from pyg_gears.lab.benchmark import patch_size_study
from pyg_gears.layout import reconstruct_layout
from pyg_gears.transforms import CandidateGraph
from tests.lab.benchmark.test_protocols import section


class Noisy(torch.nn.Module):
    """The truth, which the embedding is here, with noise that is another one in every patch."""

    def forward(self, batch: object, **_: object) -> SimpleNamespace:
        x = batch.x  # type: ignore[attr-defined]
        generator = torch.Generator().manual_seed(len(x) + int(1e4 * x[0, 0].abs()))
        return SimpleNamespace(pos=x + 0.1 * torch.randn(x.shape, generator=generator))


class Knows:
    """Stands for a fitted model; remembers what it was asked."""

    def __init__(self, slide: Slide) -> None:
        self.slide, self.asked = slide, []

    def reconstruct(self, cells: Slide, *, settings, seed, progress) -> SimpleNamespace:
        assert cells.pos is None
        self.asked.append((len(cells), settings.patch_size, seed))
        rows = [self.slide.cells.index(cell) for cell in cells.cells]
        x = torch.from_numpy(self.slide.pos[rows] / 20).float()
        layout = reconstruct_layout(
            Noisy(), x, candidates=CandidateGraph(20, "euclidean"), settings=settings, seed=seed, progress=False
        )
        return SimpleNamespace(pos=layout.pos, layout=layout)


def test_rows_table_and_figure_by_size(tmp_path: Path) -> None:
    tissue = section("a", 200)
    fitted = Knows(tissue)
    rows = patch_size_study(fitted, tissue, tissue.pos, [32, 64, None, 500], tmp_path / "out", seed=3)  # type: ignore[arg-type]
    assert fitted.asked == [(200, 32, 3), (200, 64, 3), (200, 200, 3)]
    assert [row.size for row in rows] == [32, 64, 200]
    assert rows[0].patches > rows[1].patches > rows[2].patches == 1
    assert all(row.scores["spearman"] > 0.9 for row in rows)
    assert rows[0].disagreement > 0
    assert np.isnan(rows[2].disagreement)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "table.txt",
        "results.json",
        "patch_sizes.png",
        "patch_sizes.svg",
    }
    content = json.loads((tmp_path / "out" / "results.json").read_text())
    assert content["rows"][2]["disagreement"] is None
    assert (content["cells"], content["seed"]) == (200, 3)
    lines = (tmp_path / "out" / "table.txt").read_text().splitlines()
    assert lines[1].split() == [
        *("patches", "Spearman", "Pearson", "Stress-1", "EdgeAUC", "bAP", "Trust@20"),
        *("disagreement", "stress", "seconds"),
    ]
    assert [line.split()[0] for line in lines[2:]] == ["32", "64", "200"]


def test_a_sample_is_the_same_for_every_size(tmp_path: Path) -> None:
    tissue = section("a", 200)
    fitted = Knows(tissue)
    found = patch_size_study(fitted, tissue, tissue.pos, [40, None], tmp_path / "out", sample=80)  # type: ignore[arg-type]
    assert [(n, size) for n, size, _ in fitted.asked] == [(80, 40), (80, 80)]
    assert found[1].scores["spearman"] > 0.9


def test_what_cannot_be_studied_is_refused(tmp_path: Path) -> None:
    tissue = section("a", 60)
    for sizes, truth, sample, message in (
        ([], tissue.pos, None, "expected sizes of patches of at least 8, found none; change sizes"),
        ([4, None], tissue.pos, None, "expected sizes of patches of at least 8, found 4, None"),
        ([None], tissue.pos[:5], None, r"a: expected true places of 60 cells, found shape \(5, 2\)"),
        ([None], tissue.pos, 20, "expected a sample of at least 30 cells, found 20; raise it"),
    ):
        with pytest.raises(InputError, match=message):
            patch_size_study(Knows(tissue), tissue, truth, sizes, tmp_path / "out", sample=sample)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_the_folder_is_checked_before_the_work(tmp_path: Path) -> None:
    tissue = section("a", 60)
    fitted = Knows(tissue)
    (tmp_path / "kept").write_text("")
    for folder, message in (
        (tmp_path, "expected a new file at .*, found an existing one"),
        (tmp_path / "no" / "where", "expected a folder at .*, found none; create it"),
    ):
        with pytest.raises(InputError, match=message):
            patch_size_study(fitted, tissue, tissue.pos, [None], folder)  # type: ignore[arg-type]
    assert not fitted.asked

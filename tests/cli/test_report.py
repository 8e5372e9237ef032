from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from pyg_gears.cli import main
from pyg_gears.data import Slide, write_layout, write_slide

GENES = tuple(f"g{i}" for i in range(12))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return int(stop.value.code or 0)


def slide(name: str, n: int, seed: int) -> Slide:
    pos = np.random.default_rng(seed).random((n, 2))
    load = np.random.default_rng(9).normal(size=(2, len(GENES)))
    counts = csr_array(np.random.default_rng(seed).poisson(np.exp(1 + 2 * pos @ load)).astype(np.float32))
    return Slide(name, counts, GENES, tuple(f"{name}{i}" for i in range(n)), pos)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    cells = slide("cells", 90, 0)
    assert cells.pos is not None
    write_slide(tmp_path / "cells.h5ad", Slide("cells", cells.counts, GENES, cells.cells), obsm={"where": cells.pos})
    path = tmp_path / "layout.h5ad"
    distances = csr_matrix(([0.1], ([0], [1])), shape=(90, 90))
    write_layout(path, tmp_path / "cells.h5ad", pos=cells.pos, confidence=cells.pos[:, 0], distances=distances, info={})
    return path


def test_a_page_with_truth_rivals_and_a_gene(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("plotly")
    asked: list[object] = []
    from pyg_gears.report import layout_page

    check = layout_page.check_genes
    monkeypatch.setattr(layout_page, "check_genes", lambda genes, known: (asked.append(genes), check(genes, known)))
    slides = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for seed, path in enumerate(slides, start=1):
        write_slide(path, slide(path.stem, 60, seed))
    page = tmp_path / "page.html"
    options = ("--truth", "where", "--gene", "g3", "--out", page)
    assert run("report", layout, *options, "--reference", *slides) == 0
    assert "open it in a browser" in capsys.readouterr().out
    html = page.read_text(encoding="utf-8")
    assert "GEARS is best in" in html
    assert '<th scope="col">kNN</th>' in html
    assert "Against the true positions in where" in html
    assert asked == [("g3",)]
    assert run("report", layout, *options) == 2
    assert "expected a new file" in capsys.readouterr().err


def test_files_without_an_option_and_missing_plotly_are_told(
    layout: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("report", layout, layout, "--out", tmp_path / "x.html") == 2
    assert "expected one layout, found 2 files" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "plotly", None)
    assert run("report", layout, "--out", tmp_path / "x.html") == 2
    assert capsys.readouterr().err == "pyg-gears: A page needs plotly: pip install 'pyg-gears[report]'\n"
    assert not (tmp_path / "x.html").exists()

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData

from pyg_gears.errors import InputError
from pyg_gears.metrics import BETTER
from pyg_gears.report import page_file
from pyg_gears.report.layout_page import layout_page, write_layout_page

pytest.importorskip("plotly")
NO_REPORT: dict[str, Any] = {"truth_key": None, "methods": {}, "label_free": {}, "notes": []}
LOADING = {"src", "href", "data", "action", "poster", "srcset", "xlink:href", "formaction"}


class Reader(HTMLParser):
    """Tags, attributes, texts of scripts by order, and the text that is seen."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.seen = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        # Scripts and styles are the elements that HTML reads as plain characters.
        if self.cdata_elem == "script":
            self.scripts[-1] += data
        elif self.cdata_elem is None:
            self.seen += data


def data_of(page: Reader) -> dict[str, Any]:
    return json.loads(page.scripts[0])


def test_everything_of_a_file_stands_on_its_page(layout_file: Callable[..., Path], tmp_path: Path) -> None:
    write_layout_page(layout_file(tmp_path), tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    page = Reader(html)
    for text in (
        "Layout of layout",
        "120 cells",
        "Coarse only: only broad trends",
        "Trained on 2 slides: a, b.",
        "These cells lie farther from the training spots",
        "spearman",
        "No reference slide was named",
        "Median of the absolute residual",
        "A residual is what is left between",
        "0.125",
        '"epochs": 3',
        "9.9",
        "All 12 genes are on this page.",
    ):
        assert text in page.seen, text
    data = data_of(page)
    assert data["count"] == 120
    assert [column["name"] for column in data["columns"]] == ["cell_type", "score"]
    assert [panel["title"] for panel in data["panels"]] == ["Layout, turned onto the truth", "Truth, obsm['spatial']"]
    assert set(json.loads(page.scripts[1])) == {"confidence-chart", "residual-chart"}
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert len(html) < 25_000_000


def test_rivals_stand_beside_the_layout(small_adata: AnnData) -> None:
    level = dict.fromkeys(BETTER, 0.25)
    methods = {"gears": {**level, "spearman": 0.5}, "knn_regression": {**level, "spearman": 0.75}}
    html = layout_page(small_adata, "x", {**NO_REPORT, "truth_key": "spatial", "methods": methods})
    seen = Reader(html).seen
    assert "In spearman kNN is better: 0.750 against 0.500." in seen
    assert "<td><strong>0.750</strong></td>" in html
    assert "<td>0.500</td>" in html
    assert "trust_20: 1 where the 20 nearest neighbours in the layout are near in truth" in seen


def test_cells_without_a_place_are_listed_and_not_drawn(small_adata: AnnData) -> None:
    page = Reader(layout_page(small_adata, "x", {**NO_REPORT, "truth_key": "spatial"}))
    assert "2 of 40 cells are not placed" in page.seen
    assert "model's genes: c3, c7" in page.seen
    assert "38 cells" in page.seen
    assert data_of(page)["count"] == 38
    assert "mean confidence 0.50" in page.seen


def test_a_truth_of_some_cells_is_not_drawn(small_adata: AnnData) -> None:
    report = {**NO_REPORT, "truth_key": "spatial"}
    assert len(data_of(Reader(layout_page(small_adata, "x", report)))["panels"]) == 2
    small_adata.obsm["spatial"][5] = np.nan
    assert len(data_of(Reader(layout_page(small_adata, "x", report)))["panels"]) == 1


def test_a_layout_of_batches_is_warned_about(small_adata: AnnData) -> None:
    small_adata.obs["batch"] = np.where(small_adata.obsm["spatial"][:, 0] < 0.5, "a", "b")
    small_adata.obsm["X_gears"][:, 0] += 5 * (small_adata.obs["batch"] == "b")
    assert "Cells of one batch lie together (obs['batch']" in Reader(layout_page(small_adata, "x", NO_REPORT)).seen


def test_a_file_that_says_nothing_about_its_model(small_adata: AnnData) -> None:
    page = Reader(layout_page(small_adata, "x", NO_REPORT))
    assert "The file does not say what the model was trained on." in page.seen
    assert "The file holds no distances and no residuals." in page.seen
    assert [panel["title"] for panel in data_of(page)["panels"]] == ["Layout"]


def test_nothing_is_loaded_and_only_two_scripts_may_run(small_adata: AnnData) -> None:
    page = Reader(layout_page(small_adata, "x", NO_REPORT))
    loaded = {(tag, key, value) for tag, found in page.tags for key, value in found.items() if key in LOADING}
    assert loaded == {("link", "href", "data:,")}
    assert not [key for _, found in page.tags for key in found if key.startswith("on")]
    policy = next(found["content"] for _, found in page.tags if found.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    allowed = rules["script-src"].split()
    assert [source for source in allowed if not source.startswith("'sha256-")] == ["'unsafe-eval'"]
    assert len(allowed) == 3
    assert "http" not in policy
    own = page.scripts[-1].replace("http://www.w3.org/2000/svg", "")  # the name of a namespace
    assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|document\.write|\beval\b|fetch\(|XMLHttpRequest", own)
    assert page_file._hash(page.scripts[-1]) in allowed
    assert page_file._hash(page.scripts[-2]) in allowed


def test_a_large_file_is_cut_to_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    n, genes = 3000, 40
    generator = np.random.default_rng(0)
    adata = AnnData(generator.poisson(3.0, size=(n, genes)).astype(np.float32))
    adata.obsm["X_gears"] = generator.normal(size=(n, 2))
    adata.obs["gears_confidence"] = generator.random(n)
    whole = len(layout_page(adata, "x", NO_REPORT))
    monkeypatch.setattr("pyg_gears.report.layout_page.MAX_BYTES", whole - 50_000)
    cut = layout_page(adata, "x", NO_REPORT)
    assert len(cut) < whole - 50_000
    assert re.search(r"The \d+ most variable of 40 genes are on this page", Reader(cut).seen)
    monkeypatch.setattr("pyg_gears.report.explorer.MAX_CELLS", 500)
    page = Reader(layout_page(adata, "x", NO_REPORT))
    assert "A random 500 of 3,000 cells are drawn." in page.seen
    assert data_of(page)["count"] == 500


def test_bad_input_writes_nothing(layout_file: Callable[..., Path], tmp_path: Path) -> None:
    path = layout_file(tmp_path)
    used = tmp_path / "used.html"
    used.write_text("kept")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match="expected a new file"):
        write_layout_page(path, used)
    with pytest.raises(InputError, match="in genes, found 'nothing'"):
        write_layout_page(path, tmp_path / "page.html", genes=["nothing"])
    with pytest.raises(InputError, match=r"expected a layout in obsm\['X_gears'\]"):
        write_layout_page(tmp_path / "cells.h5ad", tmp_path / "page.html")
    assert sorted(tmp_path.iterdir()) == before
    assert used.read_text() == "kept"


def test_without_plotly_the_remedy_is_said(
    layout_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layout_file(tmp_path)
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[report\]'"):
        write_layout_page(path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_gene_that_is_not_there_is_refused_before_the_metrics_are_computed(
    layout_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    monkeypatch.setattr("pyg_gears.report.evaluation.evaluate", lambda *_, **__: computed.append(1))
    with pytest.raises(InputError, match="in genes, found 'nothing'"):
        write_layout_page(layout_file(tmp_path), tmp_path / "page.html", genes=["nothing"])
    assert not computed

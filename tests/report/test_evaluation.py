from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix

from pyg_gears.data import ReadOptions, Slide, write_layout, write_slide
from pyg_gears.errors import InputError, arguments_are_options
from pyg_gears.metrics import BETTER, community_purity, evaluate_layout
from pyg_gears.report import evaluate, format_table
from pyg_gears.report.evaluation_input import read_evaluation_input
from pyg_gears.report.evaluation_notes import evaluation_notes
from pyg_gears.report.layout_page import write_layout_page

FIGURES = {
    "calibration",
    "comparison",
    "distance_distortion",
    "edge_roc",
    "layout_communities",
    "layout_confidence",
    "layout_genes",
    "layout_types",
    "local_rmse",
    "solve_residuals",
    "true_and_predicted",
}


def _slide(name: str, n: int, seed: int) -> Slide:
    generator = np.random.default_rng(seed)
    pos = generator.random((n, 2))
    load = np.random.default_rng(99).normal(size=(2, 30))
    counts = generator.poisson(np.exp(1.0 + 2 * (pos - 0.5) @ load)).astype(np.float32)
    return Slide(name, csr_array(counts), tuple(f"g{i}" for i in range(30)), tuple(f"{name}{i}" for i in range(n)), pos)


def _layout_file(folder: Path, *, obsm: str = "spatial", types: bool = True) -> tuple[Path, np.ndarray, np.ndarray]:
    slide = _slide("cells", 90, 0)
    assert slide.pos is not None
    blind = Slide(slide.name, slide.counts, slide.genes, slide.cells)
    kinds = {"cell_type": np.where(slide.pos[:, 0] > 0.5, "right", "left")} if types else {}
    write_slide(folder / "cells.h5ad", blind, obs=kinds, obsm={obsm: slide.pos})
    generator = np.random.default_rng(1)
    noise = np.where(slide.pos[:, 1] > 0.5, 0.15, 0.01)
    pos = slide.pos + noise[:, None] * generator.normal(size=(90, 2))
    i, j = np.triu_indices(90, 1)
    distances = csr_matrix((np.linalg.norm(pos[i] - pos[j], axis=1) * 1.1, (i, j)), shape=(90, 90))
    path = folder / "layout.h5ad"
    write_layout(path, folder / "cells.h5ad", pos=pos, confidence=1 - noise, distances=distances, info={"recipe": "x"})
    return path, pos, slide.pos


def _reference(folder: Path) -> Path:
    path = folder / "reference.h5ad"
    write_slide(path, _slide("reference", 100, 5))
    return path


def test_everything_with_truth_references_json_and_figures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("igraph")
    path, pos, truth = _layout_file(tmp_path)
    report = evaluate(
        path,
        references=[_reference(tmp_path)],
        json_path=tmp_path / "r.json",
        figures_dir=tmp_path / "figures",
        community_resolution=1.0,  # the published one is for thousands of cells
    )
    assert list(report["methods"]) == [
        "gears",
        "ridge_pca",
        "ridge_joint_smoothed",
        "knn_regression",
        "spectral",
        "tsne",
    ]
    assert report["methods"]["gears"] == evaluate_layout(pos, truth)
    assert report["confidence"]["local_rho"] > 0.3
    assert report["label_free"]["gears"]["purity"] > 0.8
    assert set(report["label_free"]) == set(report["communities"]) == {*report["methods"], "truth"}
    for name, rows in report["communities"].items():
        assert sum(row["size"] for row in rows) == 90
        assert sum(row["size"] * row["purity"] for row in rows) / 90 == pytest.approx(
            report["label_free"][name]["purity"]
        )
        assert {row["majority"] for row in rows} <= {"left", "right"}
        assert len(rows) == report["label_free"][name]["communities"]
    assert (report["community_neighbors"], report["community_resolution"]) == (15, 1.0)
    assert report["notes"] == []
    written = json.loads((tmp_path / "r.json").read_text())
    assert written["communities"] == report["communities"]
    assert written["methods"]["gears"]["spearman"] == report["methods"]["gears"]["spearman"]
    names = {file.name for file in (tmp_path / "figures").iterdir()}
    assert names == {f"{name}{suffix}" for name in FIGURES for suffix in (".png", ".svg")}
    assert all((tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in FIGURES)
    assert all("<svg" in (tmp_path / "figures" / f"{name}.svg").read_text()[:2000] for name in FIGURES)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]
    table = format_table(report)
    assert all(key in table for key in BETTER)
    assert "ridge+graph" in table
    assert "GEARS is best in" in table


def test_without_truth_only_label_free_checks(tmp_path: Path) -> None:
    path, _, _ = _layout_file(tmp_path, obsm="elsewhere", types=False)
    report = evaluate(path, json_path=tmp_path / "r.json")
    assert report["truth_key"] is None
    assert report["methods"] == {}
    assert list(report["label_free"]) == ["gears"]
    assert report["label_free"]["gears"]["moran_i"] > 0.2
    table = format_table(report)
    assert "No true positions in obsm['spatial']: only checks that need no truth were made." in table
    assert "in truth_key" not in table
    assert "spearman" not in table
    assert json.loads((tmp_path / "r.json").read_text())["confidence"] is None


def test_positions_under_another_name_are_pointed_to(tmp_path: Path) -> None:
    path, _, _ = _layout_file(tmp_path, obsm="spatial_true", types=False)
    table = format_table(evaluate(path))
    assert "checks that need no truth were made. If they are in spatial_true, add truth_key='spatial_true'." in table
    with arguments_are_options():
        assert "add --truth spatial_true." in format_table(evaluate(path))


def test_cells_that_are_spots_of_a_reference_are_pointed_out(tmp_path: Path) -> None:
    path, _, _ = _layout_file(tmp_path)
    same = tmp_path / "same.h5ad"
    write_slide(same, _slide("cells", 90, 0))
    other = _reference(tmp_path)
    for files, said in (([other], False), ([other, same], True)):
        given = read_evaluation_input(path, "spatial", files, (None, None), None, ReadOptions())
        notes = " ".join(evaluation_notes(given))
        assert ("The cells are spots of same: rivals" in notes) == said


def test_named_truth_and_figures_without_references(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path, _, _ = _layout_file(tmp_path, obsm="spatial_true", types=False)
    (tmp_path / "figures").mkdir()
    report = evaluate(path, "spatial_true", figures_dir=tmp_path / "figures")
    assert list(report["methods"]) == ["gears"]
    assert {file.stem for file in (tmp_path / "figures").iterdir()} == FIGURES - {
        "layout_types",
        "layout_communities",
    }
    assert "name reference slides" in format_table(report)


def test_options_of_the_communities(tmp_path: Path) -> None:
    pytest.importorskip("igraph")
    path, pos, _ = _layout_file(tmp_path)
    labels = anndata.read_h5ad(path).obs["cell_type"].astype(str).to_numpy()
    report = evaluate(path, community_neighbors=5, community_resolution=1.5)
    expected = community_purity(pos, labels, k=5, resolution=1.5)
    assert report["communities"]["gears"] == [row._asdict() for row in expected.table]
    published = evaluate(path)
    assert (published["community_neighbors"], published["community_resolution"]) == (15, 0.2)
    assert expected.communities > len(published["communities"]["gears"])
    assert "communities (k = 5, resolution 1.5)" in format_table(report)


def test_missing_igraph_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "igraph", None)
    path, _, _ = _layout_file(tmp_path)
    report = evaluate(path)
    assert "purity" not in report["label_free"]["gears"]
    assert report["communities"] == {}
    assert [note for note in report["notes"] if "pyg-gears[eval]" in note] != []


def test_missing_matplotlib_is_named_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    path, _, _ = _layout_file(tmp_path, types=False)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[plot\]'"):
        evaluate(path, figures_dir=tmp_path / "figures", json_path=tmp_path / "r.json")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"truth_key": "nowhere"},
            r"expected positions in obsm\['nowhere'\] or two columns of obs like 'x,y', found obsm \['X_gears', 'spatial'\] .*; "
            "name them with truth_key='spatial'",
        ),
        (
            {"truth_key": "X_gears"},
            r"true positions, found truth_key to name the layout, obsm\['X_gears'\]; name positions",
        ),
        ({"label_key": "nothing"}, r"expected cell types in obs\['nothing'\], found columns cell_type"),
        ({"references": ["missing.h5ad"]}, r"an .h5ad file at .*missing\.h5ad, found nothing"),
        ({"community_neighbors": 0}, "expected at least 1 neighbour per cell, found 0"),
        ({"community_resolution": -1.0}, r"expected a resolution above 0, found -1\.0"),
        ({"seed": -1}, "expected a seed of a whole number of at least 0, found -1; give another"),
        ({"json_path": "layout.h5ad"}, "a new file"),
        ({"json_path": "no/where.json"}, "a folder"),
        ({"figures_dir": "."}, "a new file"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(tmp_path: Path, arguments: dict[str, Any], text: str) -> None:
    path, _, _ = _layout_file(tmp_path)
    before = sorted(tmp_path.iterdir())
    for key in ("json_path", "figures_dir"):
        if key in arguments:
            arguments = {**arguments, key: tmp_path / arguments[key]}
    if "references" in arguments:
        arguments = {"references": [tmp_path / name for name in arguments["references"]]}
    with pytest.raises(InputError, match=text):
        evaluate(path, **arguments)
    assert sorted(tmp_path.iterdir()) == before


def test_a_slide_is_no_layout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a layout in obsm\['X_gears'\]"):
        evaluate(_reference(tmp_path))


def test_truth_of_another_shape(tmp_path: Path) -> None:
    path, _, truth = _layout_file(tmp_path)
    adata = anndata.read_h5ad(path)
    adata.obsm["spatial"] = np.column_stack([truth, truth[:, 0]])
    adata.write_h5ad(tmp_path / "three.h5ad")
    with pytest.raises(
        InputError, match=r"expected two-dimensional positions .* in obsm\['spatial'\], found 3 columns"
    ):
        evaluate(tmp_path / "three.h5ad")


def test_a_truth_may_be_two_columns_of_obs_as_of_a_slide(tmp_path: Path) -> None:
    path, _, truth = _layout_file(tmp_path, types=False)
    adata = anndata.read_h5ad(path)
    del adata.obsm["spatial"]
    adata.obs["x"], adata.obs["y"] = truth[:, 0], [str(value) for value in truth[:, 1]]
    adata.write_h5ad(tmp_path / "columns.h5ad")
    report = evaluate(tmp_path / "columns.h5ad", "x,y")
    assert report["truth_key"] == "x,y"
    assert report["methods"] == evaluate(path)["methods"]
    page = write_page_of(tmp_path / "columns.h5ad", tmp_path / "page.html")
    assert "Truth, obs, columns x,y" in page


def write_page_of(layout: Path, out: Path) -> str:
    pytest.importorskip("plotly")
    write_layout_page(layout, out, truth_key="x,y")
    return out.read_text(encoding="utf-8")


def test_cells_whose_true_place_is_unknown_are_left_out_of_the_numbers(tmp_path: Path) -> None:
    path, pos, truth = _layout_file(tmp_path, types=False)
    known = np.arange(90) >= 20
    found = anndata.read_h5ad(path)
    found.obsm["spatial"] = np.where(known[:, None], truth, np.nan)
    found.write_h5ad(tmp_path / "some.h5ad")
    report = evaluate(tmp_path / "some.h5ad")
    assert report["cells"] == 70
    assert report["methods"]["gears"]["spearman"] == evaluate_layout(pos[known], truth[known])["spearman"]
    assert (
        "20 cells have no true position (NaN in obsm['spatial']): they are in none of the numbers." in report["notes"]
    )
    found.obsm["spatial"] = np.full((90, 2), np.nan)
    found.write_h5ad(tmp_path / "none.h5ad")
    report = evaluate(tmp_path / "none.h5ad")
    assert (report["cells"], report["truth_key"], report["methods"]) == (90, None, {})


def test_a_column_without_two_types_is_refused_where_it_is_named(tmp_path: Path) -> None:
    path, _, _ = _layout_file(tmp_path)
    adata = anndata.read_h5ad(path)
    adata.obs["donor"] = "one"
    adata.write_h5ad(path)
    with pytest.raises(InputError, match=r"expected two or more cell types in obs\['donor'\], found 1"):
        evaluate(path, label_key="donor")


def test_a_truth_of_which_nothing_is_known_is_named_where_it_was_looked_for(tmp_path: Path) -> None:
    path, _, _ = _layout_file(tmp_path, types=False)
    adata = anndata.read_h5ad(path)
    adata.obs["u"] = adata.obs["v"] = np.nan
    adata.write_h5ad(path)
    assert "No true positions in obs, columns u,v: only" in format_table(evaluate(path, "u,v"))

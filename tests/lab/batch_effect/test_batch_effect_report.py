from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyg_gears.data import read_slide, simulate_tissue, write_simulation
from pyg_gears.encoders.genes import variable_genes
from pyg_gears.encoders.neighbor_agreement import neighbor_agreement
from pyg_gears.errors import InputError
from pyg_gears.lab.batch_effect import batch_effect_numbers as numbers
from pyg_gears.lab.batch_effect.batch_effect_figures import batch_effect_figures
from pyg_gears.lab.batch_effect.batch_effect_numbers import BatchEffect, batch_effect_numbers
from pyg_gears.lab.batch_effect.batch_effect_report import batch_effect, check_batch_effect
from pyg_gears.lab.batch_effect.batch_effect_rows import embedding_moran, gap_numbers, gene_moran, summary
from pyg_gears.lab.batch_effect.batch_effect_table import batch_effect_table
from pyg_gears.lab.batch_effect.comparison_rows import CORRECTIONS, FittedRow, comparison_rows, fit_coral, fit_pca
from pyg_gears.metrics import morans_i
from pyg_gears.report.report_folder import plain

FIGURES = {
    "slide_probe",
    "probe_after_removal",
    "neighbor_overlap",
    "norms",
    "principal_angles",
    "pca_by_slide",
    "cells_and_spots",
}


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue("layers", slides=3, cells=60, seed=0, spots=60, genes=120)


@pytest.fixture(scope="module")
def model(tissue) -> FittedRow:
    return FittedRow("model", fit_pca(tissue.slides[1:], 6, "pca"), frozenset(["slide_1", "slide_2"]))


@pytest.fixture(scope="module")
def found(tissue, model) -> BatchEffect:
    return batch_effect_numbers(
        tissue.slides, tissue.cells, held_out=("slide_0",), fitted=(model,), seed=1, adapter_steps=5
    )


def test_every_number_is_there_fitted_and_held_out(found) -> None:
    report = found.report
    assert report["folds"] == [["slide_0"]]
    assert set(report["rows"]) == {*(row.name for row in comparison_rows()), "model"}
    for row in report["rows"].values():
        for kind in ("fitted", "held_out"):
            assert set(row["summary"][kind]) == {
                "probe",
                "probe_squares",
                "within_cluster",
                "entropy",
                "ilisi",
                "norm_ratio",
                "overlap",
                "recall",
                "mean_distance",
                "moran",
            }
    assert [row["removed"] for row in report["removal"]] == [0, 50]
    assert report["removal"][0]["held_out"] == report["rows"]["raw PCA-50"]["summary"]["held_out"]["probe"]
    assert set(report["gene_moran"]["held_out"]) == {"raw", "centred", "z-scored", "CORAL"}
    for gap in report["cell_gaps"].values():
        assert set(gap) == {"fitted", "held_out", "floor"}
        assert set(gap["held_out"]["after"]) == set(gap["floor"])
    assert set(report["cell_gaps"]) == {"raw PCA-50", "centred PCA-50", "spatial-20", "model"}
    json.dumps(plain(report), allow_nan=False)


def test_the_simulated_shift_is_found_and_removed(found) -> None:
    report = found.report
    summaries = {name: report["rows"][name]["summary"] for name in CORRECTIONS}
    for kind in ("fitted", "held_out"):
        assert summaries["raw PCA-50"][kind]["probe"] > 0.8
        assert max(summaries[name][kind]["probe"] for name in CORRECTIONS[1:]) < 0.5
    assert report["kruskal_wallis"]["significant"] > 60
    assert report["principal_angles"]["halves"].shape == (3, 3)
    random, smooth = (report["rows"][name]["summary"]["held_out"]["overlap"] for name in ("random-20", "spatial-20"))
    assert random < smooth


def test_held_out_numbers_come_from_an_encoder_that_never_saw_the_slide(found, tissue, model) -> None:
    encoder = fit_pca(tissue.slides[1:], 20, "pca")
    x = encoder.encode(tissue.slides[0])
    expected = neighbor_agreement(x, torch.tensor(tissue.slides[0].pos))
    summaries = found.report["rows"]["centred PCA-20"]["summary"]
    assert summaries["held_out"]["overlap"] == pytest.approx(expected.overlap)
    assert summaries["held_out"]["recall"] == pytest.approx(expected.recall)
    assert summaries["held_out"]["moran"] == pytest.approx(embedding_moran(tissue.slides[0], x))
    assert summaries["fitted"] != summaries["held_out"]
    fixed = found.report["rows"]["model"]
    alone = model.encoder.encode(tissue.slides[0])
    assert fixed["summary"]["held_out"]["overlap"] == pytest.approx(
        neighbor_agreement(alone, torch.tensor(tissue.slides[0].pos)).overlap
    )
    assert fixed["summary"]["fitted"]["overlap"] == pytest.approx(
        np.mean([fixed["fitted"]["slides"][name]["overlap"] for name in ("slide_1", "slide_2")])
    )


def test_each_slide_is_left_out_in_turn_by_default(tissue, monkeypatch) -> None:
    fits: list[tuple[str, ...]] = []
    rows = [row for row in comparison_rows() if row.name in CORRECTIONS]

    def spy(row: Any) -> Any:
        def fit(slides: Any) -> Any:
            fits.append((row.name, *(slide.name for slide in slides)))
            return row.fit(slides)

        return row._replace(fit=fit)

    monkeypatch.setattr(numbers, "comparison_rows", lambda seed: [spy(row) for row in rows])
    report = batch_effect_numbers(tissue.slides[:2]).report
    assert report["folds"] == [["slide_0"], ["slide_1"]]
    assert fits[:3] == [("raw PCA-50", "slide_0", "slide_1"), ("raw PCA-50", "slide_1"), ("raw PCA-50", "slide_0")]
    assert report["cells"] is None
    assert report["cell_gaps"] == {}
    assert "cells_and_spots" not in batch_effect_figures(plain(report), {"raw": np.zeros((120, 2))}, np.zeros(120, int))


def test_moran_of_genes_is_untouched_by_centring(tissue) -> None:
    found = gene_moran(fit_coral(tissue.slides[:2]), tissue.slides[:2], tissue.slides[2:])
    assert found["centred"] == pytest.approx(found["raw"], rel=1e-4)
    assert found["z-scored"] == pytest.approx(found["raw"], rel=1e-4)
    assert found["CORAL"] != pytest.approx(found["raw"], rel=1e-4)


def test_moran_of_an_embedding_is_that_of_its_variance(tissue) -> None:
    generator = torch.Generator().manual_seed(0)
    slide = tissue.slides[0]
    x = torch.randn(60, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.0])
    moran, weight = morans_i(slide.pos, x.double().numpy()), x.double().numpy().var(axis=0)
    expected = np.nansum(weight * moran) / weight.sum()
    assert embedding_moran(slide, x) == pytest.approx(expected)


def test_gap_sees_a_shift_and_a_stretch() -> None:
    generator = torch.Generator().manual_seed(0)
    spots, cells = torch.randn(300, 4, generator=generator), torch.randn(200, 4, generator=generator)
    near, shifted, stretched = (gap_numbers(x, spots, 0) for x in (cells, cells + 3, 3 * (cells - cells.mean(dim=0))))
    assert near["probe"] < 0.65 < 0.99 < shifted["probe"]
    assert near["mmd"] < 0.03 < 0.1 < shifted["mmd"]
    assert near["entropy"] > 0.95 > 0.5 > shifted["entropy"]
    assert stretched["probe"] < 0.65 < 0.75 < stretched["probe_squares"]
    assert stretched["coral"] > 10 * near["coral"]
    assert near == gap_numbers(cells, spots, 0)


def test_summary_averages_the_named_slides() -> None:
    record: dict[str, Any] = {
        "probe": {"accuracy": 0.5},
        "probe_squares": {"accuracy": 0.6},
        "within_cluster": {"accuracy": 0.25},
        "mixing": {"entropy": 0.9, "ilisi": 1.5},
        "norm_ratio": 1.25,
        "slides": {
            name: dict.fromkeys(("overlap", "recall", "mean_distance", "moran"), value)
            for name, value in (("a", 1.0), ("b", 2.0), ("c", 6.0))
        },
    }
    other = copy.deepcopy(record)
    other["probe"]["accuracy"] = 0.7
    assert summary([record], [["a", "b"]])["overlap"] == 1.5  # type: ignore[index]
    both = summary([record, other], [["a"], ["c"]])
    assert both is not None
    assert both["recall"] == 3.5
    assert both["probe"] == pytest.approx(0.6)
    assert summary([record], [[]]) is None


def test_large_slides_are_thinned_and_it_is_said(tissue, monkeypatch) -> None:
    monkeypatch.setattr(numbers, "MAX_SPOTS", 40)
    notes: list[str] = []
    thin = numbers._thinned(tissue.slides[0], 0, notes)
    assert len(thin) == 40
    assert notes == ["slide_0: 40 of 60 spots, drawn by the seed, stand for the slide."]
    assert numbers._thinned(thin, 0, notes) is thin


def test_genes_that_a_fitted_encoder_lacks_are_told_first(tissue, model) -> None:
    few = [slide.subset_genes(slide.genes[:90]) for slide in tissue.slides]
    with pytest.raises(InputError, match="slide_0: expected all 120 genes, found 30 missing"):
        batch_effect_numbers(few, fitted=(model,))
    with pytest.raises(InputError, match="Expected at least 2 genes shared by all 3 files, found 1"):
        batch_effect_numbers([*few[:2], tissue.slides[2].subset_genes(tissue.slides[2].genes[89:])])


def test_table_and_figures(found) -> None:
    pytest.importorskip("matplotlib")
    report = plain(found.report)
    text = batch_effect_table(report)
    assert all(name in text for name in report["rows"])
    assert "slide_0 left out" in text
    assert "cells against spots" in text
    assert max(map(len, text.splitlines())) <= 130
    row = next(line for line in text.splitlines() if line.startswith("raw PCA-50"))
    summaries = report["rows"]["raw PCA-50"]["summary"]
    assert f"{summaries['fitted']['probe']:.3f} | {summaries['held_out']['probe']:.3f}" in row
    figures = batch_effect_figures(report, found.pictures, found.labels)
    assert set(figures) == FIGURES
    heights = [bar.get_height() for bar in figures["slide_probe"].axes[0].patches]
    assert heights[0] == summaries["fitted"]["probe"]


def test_undefined_numbers_are_dashes(found) -> None:
    pytest.importorskip("matplotlib")
    report = plain(found.report)
    for row in report["rows"].values():
        for kind in ("fitted", "held_out"):
            row["summary"][kind]["within_cluster"] = None
    report["rows"]["model"]["summary"]["held_out"] = None
    report["cell_gaps"]["model"]["held_out"] = None
    assert "-- | --" in batch_effect_table(report)
    assert set(batch_effect_figures(report, found.pictures, found.labels)) == FIGURES


def test_files_in_one_folder_out(tmp_path: Path, found, monkeypatch) -> None:
    pytest.importorskip("matplotlib")
    slides = write_simulation(tmp_path, tissue="layers", slides=3, cells=60, seed=0, spots=60)
    called = {}

    def stand_in(slides: Any, cells: Any, **options: Any) -> BatchEffect:
        called.update(options, slides=[slide.name for slide in slides], cells=cells.pos)
        return found

    monkeypatch.setattr(numbers, "batch_effect_numbers", stand_in)
    out = tmp_path / "report"
    report = batch_effect(slides[:3], out, slides[3], held_out=["slide_0"], seed=1)
    assert called["slides"] == ["slide_0", "slide_1", "slide_2"]
    assert called["cells"] is None
    assert called["held_out"] == ["slide_0"]
    assert {path.name for path in out.iterdir()} == {f"{name}.png" for name in FIGURES} | {"report.json", "report.txt"}
    assert json.loads((out / "report.json").read_text()) == report
    assert (out / "report.txt").read_text() == batch_effect_table(report)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_bad_input_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    a, b, cells = write_simulation(tmp_path, tissue="layers", slides=2, cells=30, seed=0, spots=40)
    out = tmp_path / "out"
    for slides, more, text in (
        ([a], {}, "expected two or more slides, found 1"),
        ([a, a], {}, "expected slides with different names, found slide_0, slide_0"),
        ([a, b], {"held_out": ["slide_2"]}, r"found 'slide_2' \(did you mean 'slide_[01]'\?\)"),
        ([a, b], {"held_out": ["slide_1", "slide_0"]}, "expected a slide besides slide_1, slide_0 to fit on"),
        ([a, tmp_path / "absent.h5ad"], {}, "found nothing"),
        ([a, cells], {}, "cells: expected positions|cells: .*spatial"),
        ([a, b], {"cells_path": b}, "expected cells from another file than the slides, found slide_1.h5ad"),
        ([a, b], {"out": tmp_path}, "Expected a new file"),
    ):
        arguments = {"out": out, "cells_path": None, "held_out": (), **more}
        with pytest.raises(InputError, match=text):
            check_batch_effect(slides, **arguments)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install pyg_gears\[plot\]"):
        check_batch_effect([a, b], out, cells, held_out=())
    assert not out.exists()


def test_real_sections(real_slides: Path, monkeypatch) -> None:
    """Sections of one tumour: centring removes what a probe of the raw components finds, and costs no neighbourhood."""
    slides = [read_slide(real_slides / "her2st" / f"B{number}.h5ad") for number in (1, 2)]
    genes = variable_genes(slides, 300)
    rows = [row for row in comparison_rows() if row.name in CORRECTIONS]
    monkeypatch.setattr(numbers, "comparison_rows", lambda seed: rows)
    report = batch_effect_numbers([slide.subset_genes(genes) for slide in slides], held_out=["B2"]).report
    raw, centred = (report["rows"][name]["summary"]["held_out"] for name in CORRECTIONS[:2])
    assert raw["probe"] > 0.6
    assert centred["probe"] < 0.5
    assert centred["overlap"] > raw["overlap"] - 0.03
    assert report["gene_moran"]["held_out"]["centred"] == pytest.approx(
        report["gene_moran"]["held_out"]["raw"], rel=1e-3
    )

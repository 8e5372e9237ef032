from __future__ import annotations

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
from pyg_gears.graphs import morans_i
from pyg_gears.lab.encoders import (
    cell_gap,
    gene_moran,
    gene_removal,
    slide_map,
    slide_probe,
    subspace_angles,
    tissue_kept,
)
from pyg_gears.lab.encoders import subject as subject_module
from pyg_gears.lab.encoders.batch_effect import batch_effect, batch_effect_probes, check_batch_effect
from pyg_gears.lab.encoders.cell_gap import gap_numbers
from pyg_gears.lab.encoders.comparison_rows import (
    CORAL,
    CORRECTIONS,
    RAW,
    FittedRow,
    comparison_rows,
    fit_coral,
    fit_pca,
)
from pyg_gears.lab.encoders.embedding_shape import embedding_shape
from pyg_gears.lab.encoders.published_limits import LIMITS
from pyg_gears.lab.encoders.slide_clusters import slide_clusters
from pyg_gears.lab.encoders.slide_graph import slide_graph
from pyg_gears.lab.encoders.subject import Embedding, Fit, SlidesSubject, score_embeddings, slides_subject
from pyg_gears.lab.encoders.subspace_angles import slide_subspace_angles
from pyg_gears.lab.encoders.tissue_kept import embedding_moran
from pyg_gears.lab.probe import NotMeasurable
from pyg_gears.lab.report import Measured, as_mappings, measure_probes, report_text

FIGURES = {
    "cells_and_spots",
    "composition",
    "coral_sweep",
    "embedding_shape",
    "gene_removal",
    "go_no_go",
    "programmes",
    "slide_map",
    "slide_probe",
    "subspace_angles",
    "tissue_kept",
}


@pytest.fixture(scope="module")
def tissue():
    return simulate_tissue("layers", slides=3, cells=60, seed=0, spots=60, genes=120)


@pytest.fixture(scope="module")
def model(tissue) -> FittedRow:
    return FittedRow("model", fit_pca(tissue.slides[1:], 6, "pca"), frozenset(["slide_1", "slide_2"]))


@pytest.fixture(scope="module")
def subject(tissue, model) -> SlidesSubject:
    sets = {"first genes": tissue.slides[0].genes[:5]}
    return slides_subject(
        tissue.slides,
        tissue.cells,
        held_out=("slide_0",),
        fitted=(model,),
        seed=1,
        adapter_steps=5,
        gene_sets=sets,
    )


@pytest.fixture(scope="module")
def measured(subject) -> Measured:
    return measure_probes(batch_effect_probes(), subject)


@pytest.fixture(scope="module")
def found(measured) -> dict[str, Any]:
    return {probe.name: record for probe, record in measured.records}


def test_every_number_is_there_fitted_and_held_out(subject, measured, found) -> None:
    assert subject.folds == (("slide_0",),)
    assert list(found) == [probe.name for probe in batch_effect_probes()]
    names = {*(row.name for row in comparison_rows()), "model"}
    for scored in (
        found["slide_probe"].embeddings,
        found["neighbor_mixing"],
        found["embedding_shape"].embeddings,
        found["tissue_kept"].embeddings,
        found["subspace_angles"].embeddings,
    ):
        assert set(scored) == names
        for one in scored.values():
            assert one.summary["fitted"].keys() == one.summary["held_out"].keys() != set()
            assert [fold.judged for fold in one.folds] == [("slide_0",)]
    assert found["gene_removal"].removed == (0, 50)
    raw = found["slide_probe"].embeddings["raw PCA-50"].summary
    assert found["gene_removal"].held_out[0] == pytest.approx(raw["held_out"]["probe"])
    assert found["gene_removal"].fitted[0] == pytest.approx(raw["fitted"]["probe"])
    assert set(found["gene_moran"]["held_out"]) == {"raw", "centred", "z-scored", "CORAL"}
    assert set(found["cells_and_spots"]) == {"raw PCA-50", "centred PCA-50", "spatial-20", "model"}
    for gap in found["cells_and_spots"].values():
        assert set(gap.held_out["after"]) == set(gap.floor)
    json.dumps(as_mappings([probe.numbers(record) for probe, record in measured.records]), default=str)


def test_the_simulated_shift_is_found_and_removed(found) -> None:
    scored = found["slide_probe"].embeddings
    for kind in ("fitted", "held_out"):
        assert scored["raw PCA-50"].summary[kind]["probe"] > 0.8
        assert max(scored[name].summary[kind]["probe"] for name in CORRECTIONS[1:]) < 0.5
    assert found["slide_probe"].qc_and_raw.accuracy > 0.8
    assert found["kruskal_wallis"].significant > 60
    kept = found["tissue_kept"].embeddings
    assert kept["random-20"].summary["held_out"]["overlap"] < kept["spatial-20"].summary["held_out"]["overlap"]
    mixing = found["neighbor_mixing"]
    assert mixing["raw PCA-50"].summary["fitted"]["ilisi"] < mixing["centred PCA-50"].summary["fitted"]["ilisi"]


def test_held_out_numbers_come_from_an_encoder_that_never_saw_the_slide(found, tissue, model) -> None:
    encoder = fit_pca(tissue.slides[1:], 20, "pca")
    x = encoder.encode(tissue.slides[0])
    expected = neighbor_agreement(x, torch.tensor(tissue.slides[0].pos))
    kept = found["tissue_kept"].embeddings
    summary = kept["centred PCA-20"].summary
    assert summary["held_out"]["overlap"] == pytest.approx(expected.overlap)
    assert summary["held_out"]["recall"] == pytest.approx(expected.recall)
    assert summary["held_out"]["moran"] == pytest.approx(embedding_moran(x, slide_graph(tissue.slides[0])))
    assert summary["fitted"] != summary["held_out"]
    alone = model.encoder.encode(tissue.slides[0])
    overlap = neighbor_agreement(alone, torch.tensor(tissue.slides[0].pos)).overlap
    assert kept["model"].summary["held_out"]["overlap"] == pytest.approx(overlap)
    assert kept["model"].fitted.judged == ("slide_1", "slide_2")
    both = [kept["model"].fitted.alone[name]["overlap"] for name in ("slide_1", "slide_2")]
    assert kept["model"].summary["fitted"]["overlap"] == pytest.approx(np.mean(both))


def test_angles_and_shapes_are_those_of_the_embeddings(found, tissue, model) -> None:
    xs = [model.encoder.encode(slide) for slide in tissue.slides]
    angles = slide_subspace_angles([x.numpy() for x in xs], components=10, seed=1).summary()
    assert found["subspace_angles"].embeddings["model"].summary["fitted"] == pytest.approx(angles, rel=1e-5)
    shape = found["embedding_shape"].embeddings["model"]
    assert shape.fitted.together == pytest.approx(embedding_shape(xs), rel=1e-5)
    assert shape.fitted.alone["slide_1"]["norm"] == pytest.approx(float(xs[1].norm(dim=1).mean()))


def test_only_encoders_fitted_elsewhere_are_judged(measured, found) -> None:
    checks = measured.requirements()
    assert {check.subject for check in checks} == {"model"}
    values = {check.name: check.value for check in checks}
    probe = found["slide_probe"].embeddings["model"].summary["fitted"]["probe"]
    assert values["slide probe"] == probe
    (relative,) = (check for check in checks if "best simple embedding" in check.name)
    simple = [one.summary["held_out"]["overlap"] for one in found["tissue_kept"].embeddings.values() if not one.given]
    assert relative.limit == pytest.approx(max(simple) - tissue_kept.MARGIN)
    assert values["domain probe after the adapter"] == found["cells_and_spots"]["model"].fitted["after"]["probe"]


def test_scores_are_averaged_over_the_judged_slides(tissue) -> None:
    def fit(value: float, seen: tuple[int, ...], unseen: tuple[int, ...]) -> Fit:
        xs = {slide.name: torch.full((2, 1), value * (i + 1)) for i, slide in enumerate(tissue.slides)}
        parts = (tuple(tissue.slides[i] for i in part) for part in (seen, unseen))
        return Fit(None, *parts, xs)  # type: ignore[arg-type]

    folds = (fit(1.0, (1, 2), (0,)), fit(10.0, (0, 1), (2,)))
    one = Embedding("e", fit(1.0, (0, 1, 2), ()), folds)
    given = Embedding("g", None, (fit(1.0, (), (0, 1, 2)),), given=True)
    bare = SlidesSubject(tuple(tissue.slides), tuple(tissue.slides), None, (), (one, given), np.zeros(180, int))
    scored = score_embeddings(
        bare, lambda xs: {"sum": sum(float(x.sum()) for x in xs)}, lambda slide, x: {"first": float(x[0, 0])}
    )
    assert scored["e"].summary == {"fitted": {"sum": 12.0, "first": 2.0}, "held_out": {"sum": 66.0, "first": 15.5}}
    assert scored["g"].summary == {"fitted": None, "held_out": {"sum": 12.0, "first": 2.0}}
    assert scored["g"].fitted is None


def test_each_slide_is_left_out_in_turn_by_default(tissue) -> None:
    fits: list[tuple[str, ...]] = []

    def spy(row: Any) -> Any:
        def fit(slides: Any) -> Any:
            fits.append((row.name, *(slide.name for slide in slides)))
            return row.fit(slides)

        return row._replace(fit=fit)

    rows = [spy(row) for row in comparison_rows() if row.name in CORRECTIONS]
    subject = slides_subject(tissue.slides[:2], rows=rows)
    assert subject.folds == (("slide_0",), ("slide_1",))
    assert fits[:3] == [("raw PCA-50", "slide_0", "slide_1"), ("raw PCA-50", "slide_1"), ("raw PCA-50", "slide_0")]
    with pytest.raises(NotMeasurable, match="expected dissociated cells, found none; name them with --cells"):
        cell_gap.PROBE.measure(subject)


def test_clusters_of_like_spots(tissue) -> None:
    xs = [fit_pca(tissue.slides, 5, "pca").encode(slide) for slide in tissue.slides]
    assert sorted(set(slide_clusters(xs, clusters=3, seed=1))) == [0, 1, 2]
    assert len(slide_clusters(xs)) == 180


def test_moran_of_genes_is_untouched_by_centring(tissue) -> None:
    found = gene_moran.gene_moran(fit_coral(tissue.slides[:2]), tissue.slides[:2], tissue.slides[2:])
    assert found["centred"] == pytest.approx(found["raw"], rel=1e-4)
    assert found["z-scored"] == pytest.approx(found["raw"], rel=1e-4)
    assert found["CORAL"] != pytest.approx(found["raw"], rel=1e-4)


def test_moran_of_an_embedding_is_that_of_its_variance(tissue) -> None:
    generator = torch.Generator().manual_seed(0)
    graph = slide_graph(tissue.slides[0])
    x = torch.randn(60, 3, generator=generator) * torch.tensor([1.0, 5.0, 0.0])
    moran, weight = morans_i(x.double().numpy(), graph), x.double().numpy().var(axis=0)
    expected = np.nansum(weight * moran) / weight.sum()
    assert embedding_moran(x, graph) == pytest.approx(expected)


def test_gap_sees_a_shift_and_a_stretch() -> None:
    generator = torch.Generator().manual_seed(0)
    spots, cells = torch.randn(300, 4, generator=generator), torch.randn(200, 4, generator=generator)
    near, shifted, stretched = (gap_numbers(x, spots, 0) for x in (cells, cells + 3, 3 * (cells - cells.mean(dim=0))))
    assert near["probe"] < 0.65 < 0.99 < shifted["probe"]
    assert near["mmd"] < 0.03 < 0.1 < shifted["mmd"]
    assert near["entropy"] > 0.97 * near["entropy_mixed"] > 0.5 > shifted["entropy"]
    assert stretched["probe"] < 0.65 < 0.75 < stretched["probe_squares"]
    assert stretched["coral"] > 10 * near["coral"]
    assert near == gap_numbers(cells, spots, 0)


def test_large_slides_are_thinned_with_a_note(tissue, monkeypatch) -> None:
    monkeypatch.setattr(subject_module, "MAX_SPOTS", 40)
    subject = slides_subject(tissue.slides, rows=())
    assert [len(slide) for slide in subject.slides] == [40, 40, 40]
    assert subject.notes[0] == "slide_0: 40 of 60 spots, drawn by the seed, stand for the slide."
    monkeypatch.setattr(subject_module, "MAX_SPOTS", 60)
    assert slides_subject(tissue.slides, rows=()).notes == ()


def test_genes_that_a_fitted_encoder_lacks_are_reported_first(tissue, model) -> None:
    few = [slide.subset_genes(slide.genes[:90]) for slide in tissue.slides]
    with pytest.raises(InputError, match="slide_0: expected all 120 genes, found 30 missing"):
        slides_subject(few, fitted=(model,))
    with pytest.raises(InputError, match="expected at least 2 genes shared by all 3 files, found 1"):
        slides_subject([*few[:2], tissue.slides[2].subset_genes(tissue.slides[2].genes[89:])])


def test_tables_show_both_kinds(measured, found) -> None:
    text = report_text(["head"], measured)
    assert all(name in text for name in found["slide_probe"].embeddings)
    assert "model. For comparison, limits published" in text
    assert max(map(len, text.splitlines())) <= 140
    table = next(iter(slide_probe.PROBE.tables(found["slide_probe"]).values()))
    summary = found["slide_probe"].embeddings["raw PCA-50"].summary
    assert table.loc[("raw PCA-50", "fitted"), "linear"] == summary["fitted"]["probe"]
    assert table.loc[("raw PCA-50", "held out"), "linear"] == summary["held_out"]["probe"]
    removal = next(iter(gene_removal.PROBE.tables(found["gene_removal"]).values()))
    assert removal.loc["50 removed", "held out"] == found["gene_removal"].held_out[1]
    angles = subspace_angles.PROBE.tables(found["subspace_angles"])
    assert [len(frame) for frame in angles.values()] == [2 * len(found["slide_probe"].embeddings), 1]


def test_undefined_numbers_are_dashes(found) -> None:
    pytest.importorskip("matplotlib")
    from pyg_gears.report.figure_style import new_figure

    record = found["slide_probe"]
    changed = {
        name: one._replace(
            summary={"fitted": {**one.summary["fitted"], "within_cluster": float("nan")}, "held_out": None}
        )
        for name, one in record.embeddings.items()
    }
    record = record._replace(embeddings=changed)
    assert "--" in report_text([], Measured(((slide_probe.PROBE, record),), ()))
    figure = new_figure(4, 4)
    slide_probe.PROBE.draw(record, figure)  # type: ignore[misc]
    assert "--" in {text.get_text() for text in figure.axes[2].texts}
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights[0] == record.embeddings["raw PCA-50"].summary["fitted"]["probe"]


@pytest.mark.slow
def test_files_in_one_folder_out(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    slides = write_simulation(tmp_path, tissue="layers", slides=3, cells=60, seed=0, spots=60)
    rows = [row for row in comparison_rows() if row.name in CORRECTIONS]
    out = tmp_path / "report"
    sets = tmp_path / "sets.json"
    sets.write_text(json.dumps({"first": list(read_slide(slides[0]).genes[:3])}))
    report = batch_effect(
        slides[:3], out, slides[3], held_out=["slide_0"], rows=rows, seed=1, adapter_steps=2, gene_sets=sets
    )
    figures = {f"{name}{suffix}" for name in FIGURES for suffix in (".png", ".svg")}
    assert {path.name for path in out.iterdir()} == figures | {"report.json", "report.txt"}
    assert json.loads((out / "report.json").read_text()) == report
    assert report["folds"] == [["slide_0"]]
    assert report["cells"]["cells"] == 60
    centred = report["probes"]["go_no_go"]["embeddings"]["centred PCA-50"]
    scored = report["probes"]["slide_probe"]["embeddings"]["centred PCA-50"]["summary"]
    for kind in ("fitted", "held_out"):
        assert centred[kind]["figures"]["probe"] == scored[kind]["probe"]
        assert centred[kind]["go"] == all(one is not False for one in centred[kind]["passed"].values())
    assert report["probes"]["programmes"]["programmes"][0]["name"] == "first"
    assert report["probes"]["slide_map"] == {"slides": ["slide_0", "slide_1", "slide_2"]}
    text = (out / "report.txt").read_text()
    assert "slide_0 left out" in text
    assert text.startswith("slide_0 (60 spots), slide_1 (60 spots), slide_2 (60 spots), cells (60 cells); ")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_probes_whose_embeddings_were_not_asked_for_leave_a_note(tissue, model) -> None:
    rows = [row._replace(adapt=False) for row in comparison_rows() if row.name == "centred PCA-20"]
    subject = slides_subject(tissue.slides, tissue.cells, held_out=("slide_2",), rows=rows)
    chosen = [slide_probe.PROBE, gene_moran.PROBE, slide_map.PROBE, cell_gap.PROBE]
    found = measure_probes(chosen, subject)
    assert not found.records
    for note, text in zip(found.notes, (RAW, CORAL, RAW, "cells are compared with spots"), strict=True):
        assert text in note
    alone = slides_subject(tissue.slides, held_out=("slide_0",), rows=(), fitted=[model])
    kept = tissue_kept.PROBE.measure(alone)
    assert [one.limit for one in tissue_kept.PROBE.requirements(kept)] == [LIMITS["overlap"].limit]


def test_bad_input_is_one_sentence(tmp_path: Path, monkeypatch) -> None:
    a, b, cells = write_simulation(tmp_path, tissue="layers", slides=2, cells=30, seed=0, spots=40)
    out = tmp_path / "out"
    for slides, more, text in (
        ([a], {}, "expected two or more slides, found 1"),
        ([a, a], {}, "expected slides with different names, found slide_0, slide_0"),
        ([a, b], {"held_out": ["slide_2"]}, r"found 'slide_2' \(did you mean 'slide_[01]'\?\)"),
        ([a, b], {"held_out": ["slide_1", "slide_0"]}, "expected a slide in addition to slide_1, slide_0 to fit on"),
        ([a, tmp_path / "absent.h5ad"], {}, "found nothing"),
        ([a, cells], {}, "cells: expected positions|cells: .*spatial"),
        ([a, b], {"cells_path": b}, "expected cells from another file than the slides, found slide_1.h5ad"),
        ([a, b], {"out": tmp_path}, "expected a new file"),
        ([a, b], {"gene_sets": tmp_path / "absent.gmt"}, "expected gene sets at"),
    ):
        arguments = {"out": out, "cells_path": None, "held_out": (), **more}
        with pytest.raises(InputError, match=text):
            check_batch_effect(slides, **arguments)
    monkeypatch.setitem(sys.modules, "harmonypy", None)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[harmony\]'"):
        check_batch_effect([a, b], out, cells, held_out=(), harmony=True)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'pyg-gears\[plot\]'"):
        check_batch_effect([a, b], out, cells, held_out=())
    assert not out.exists()


def test_real_sections(real_slides: Path) -> None:
    """Sections of one tumour: centring removes what a probe of the raw components finds, and costs no neighbourhood."""
    slides = [read_slide(real_slides / "her2st" / f"B{number}.h5ad") for number in (1, 2)]
    genes = variable_genes(slides, 300)
    rows = [row for row in comparison_rows() if row.name in CORRECTIONS]
    subject = slides_subject([slide.subset_genes(genes) for slide in slides], held_out=["B2"], rows=rows)
    probes, kept = slide_probe.PROBE.measure(subject).embeddings, tissue_kept.PROBE.measure(subject).embeddings
    raw, centred = CORRECTIONS[:2]
    assert probes[raw].summary["held_out"]["probe"] > 0.6
    assert probes[centred].summary["held_out"]["probe"] < 0.5
    assert kept[centred].summary["held_out"]["overlap"] > kept[raw].summary["held_out"]["overlap"] - 0.03
    moran = gene_moran.PROBE.measure(subject)["held_out"]
    assert moran["centred"] == pytest.approx(moran["raw"], rel=1e-3)

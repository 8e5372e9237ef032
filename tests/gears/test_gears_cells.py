"""What a fitted model does with cells that are not what it was fitted on: empty ones, missing genes, far ones."""

from __future__ import annotations

import gc
import warnings
import weakref
from dataclasses import replace

import anndata
import numpy as np
import pytest
from anndata import AnnData
from scipy.sparse import csr_array, csr_matrix, hstack

from pyg_gears import Gears, prepared_query
from pyg_gears.data import Slide, simulate_tissue, write_layout, write_slide
from pyg_gears.errors import InputError
from pyg_gears.layout import LayoutSettings
from pyg_gears.report import evaluate, format_table

PATCHES = LayoutSettings(patch_size=48)


def emptied(cells: Slide, rows: list[int]) -> Slide:
    counts = cells.counts.toarray()
    counts[rows] = 0
    return replace(cells, counts=counts)


def as_anndata(slide: Slide) -> AnnData:
    adata = AnnData(csr_matrix(slide.counts))
    adata.var_names, adata.obs_names = list(slide.genes), list(slide.cells)
    return adata


@pytest.mark.parametrize("settings", [None, PATCHES])
def test_cells_without_counts_have_no_place_and_do_not_move_the_others(fitted, tissue, settings) -> None:
    rows = [0, 7, 149]
    with pytest.warns(
        UserWarning, match=r"3 of 150 cells have no count in the 80 genes of the model: .*NaN.*confidence 0"
    ):
        found = fitted.reconstruct(emptied(tissue.cells, rows), settings=settings, progress=False)
    others = np.setdiff1d(np.arange(150), rows)
    alone = fitted.reconstruct(tissue.cells.select(others), settings=settings, progress=False)
    assert np.isnan(found.pos[rows]).all()
    assert (found.confidence[rows] == 0).all()
    np.testing.assert_array_equal(found.pos[others], alone.pos)
    np.testing.assert_array_equal(found.confidence[others], alone.confidence)
    assert (found.gap, found.layout.report["unplaced"], alone.layout.report["unplaced"]) == (alone.gap, 3, 0)
    distances = found.layout.distances
    assert np.diff(distances.indptr)[rows].sum() == 0
    assert distances[:, rows].nnz == 0
    assert (distances[others][:, others] != alone.layout.distances).nnz == 0


def test_counts_in_other_genes_alone_give_no_place(fitted, tissue) -> None:
    counts = np.concatenate([tissue.cells.counts.toarray(), np.ones((150, 1), np.float32)], axis=1)
    counts[4, :-1] = 0
    cells = replace(tissue.cells, counts=counts, genes=(*tissue.cells.genes, "unknown"))
    with pytest.warns(UserWarning, match="1 of 150 cells have no count in the 80 genes"):
        found = fitted.reconstruct(cells, progress=False)
    assert np.flatnonzero(np.isnan(found.pos[:, 0])).tolist() == [4]


def test_too_few_cells_with_counts_are_refused(fitted, tissue) -> None:
    with pytest.raises(
        InputError, match=r"expected at least 3 cells with counts in the 80 genes of the model, found 2 of 150"
    ):
        fitted.reconstruct(emptied(tissue.cells, list(range(148))), progress=False)
    counts = np.zeros((150, 81), np.float32)
    counts[:, 80] = 1
    with pytest.raises(InputError, match="found 0 of 150"):
        fitted.reconstruct(replace(tissue.cells, counts=counts, genes=(*tissue.cells.genes, "unknown")), progress=False)


def test_a_layout_with_unplaced_cells_is_written_and_evaluated_without_them(fitted, tissue, tmp_path) -> None:
    rows = [2, 5]
    adata = as_anndata(emptied(tissue.cells, rows))
    adata.obsm["spatial"] = tissue.cells_pos
    with pytest.warns(UserWarning, match="2 of 150 cells have no count"):
        found = fitted.reconstruct(adata, progress=False)
    path = tmp_path / "layout.h5ad"
    write_layout(
        path,
        adata,
        pos=found.pos,
        confidence=found.confidence,
        distances=found.layout.distances,
        info=fitted.describe(found, 0),
    )
    written = anndata.read_h5ad(path)
    np.testing.assert_array_equal(written.obsm["X_gears"], found.pos)
    report = evaluate(path, figures_dir=tmp_path / "figures")
    assert (report["cells"], report["unplaced"]) == (148, 2)
    assert any(note.startswith("2 cells have no place") for note in report["notes"])
    assert "2 cells have no place" in format_table(report)
    others = np.setdiff1d(np.arange(150), rows)
    bare = written[others].copy()
    bare.write_h5ad(tmp_path / "bare.h5ad")
    other = evaluate(tmp_path / "bare.h5ad")
    for key in ("methods", "confidence", "label_free"):
        assert report[key] == other[key]
    assert len(list((tmp_path / "figures").glob("*.png"))) > 5


def test_a_layout_of_another_shape_is_refused(fitted, tissue, tmp_path) -> None:
    adata = as_anndata(tissue.cells)
    adata.obsm["X_gears"] = np.zeros((150, 3))
    adata.obs["gears_confidence"] = 0.5
    adata.write_h5ad(tmp_path / "odd.h5ad")
    with pytest.raises(
        InputError, match=r"odd: expected a layout of shape \(n, 2\) in obsm\['X_gears'\], found float64 of shape"
    ):
        evaluate(tmp_path / "odd.h5ad")


def test_a_few_missing_genes_are_completed_with_lower_confidence(fitted, tissue) -> None:
    fitted = replace(fitted, regressions=None)  # their agreement would give some cells more and others less
    whole = fitted.reconstruct(tissue.cells, progress=False)
    cells = tissue.cells.subset_genes(tissue.cells.genes[7:])
    words = r"cells lacks 7 of the 80 genes of the model \(for instance gene_0000, gene_0001, .*lowered, as they hold \d+\.\d% of"
    with pytest.warns(UserWarning, match=words):
        found = fitted.reconstruct(cells, progress=False)
    assert 0.5 * whole.confidence.mean() < found.confidence.mean() < whole.confidence.mean()
    variance = fitted.training_genes.variance.numpy()
    kept = 1 - variance[:7].sum() / variance.sum()
    assert found.confidence.max() <= kept
    # Nearly the same distances: the genes carry little of the whole.
    pairs = np.triu_indices(150, 1)
    a, b = (np.linalg.norm(pos[pairs[0]] - pos[pairs[1]], axis=1) for pos in (whole.pos, found.pos))
    assert np.corrcoef(a, b)[0, 1] > 0.7


def test_empty_cells_are_told_by_the_genes_that_were_measured(fitted, tissue) -> None:
    cells = emptied(tissue.cells.subset_genes(tissue.cells.genes[3:]), [6])
    with pytest.warns(UserWarning, match="lacks 3|no count") as heard:
        found = fitted.reconstruct(cells, progress=False)
    assert sum("no count" in str(w.message) or "lacks 3" in str(w.message) for w in heard) == 2
    assert np.flatnonzero(np.isnan(found.pos[:, 0])).tolist() == [6]


def test_a_tenth_of_the_genes_missing_names_the_way_out(fitted, tissue) -> None:
    words = r"expected all 80 genes of the model, found 8 missing, .*gene_0000, .*; .*fit \.\.\. --cells CELLS"
    with pytest.raises(InputError, match=words):
        fitted.reconstruct(tissue.cells.subset_genes(tissue.cells.genes[8:]), progress=False)
    loud = replace(tissue.cells, genes=tuple(gene.upper() for gene in tissue.cells.genes))
    with pytest.raises(InputError, match=r"found 80 missing, .*; 80 would be shared if case did not count"):
        fitted.reconstruct(loud, progress=False)


def test_a_model_that_knows_nothing_of_its_genes_refuses_any_that_is_missing(fitted, tissue, tmp_path) -> None:
    replace(fitted, training_genes=None).save(tmp_path)
    old = Gears.load(tmp_path)
    assert old.reconstruct(tissue.cells, progress=False).pos.shape == (150, 2)
    with pytest.raises(InputError, match="found 1 missing"):
        old.reconstruct(tissue.cells.subset_genes(tissue.cells.genes[1:]), progress=False)


def test_completion_survives_saving(fitted, tissue, tmp_path) -> None:
    fitted.save(tmp_path)
    cells = tissue.cells.subset_genes(tissue.cells.genes[2:])
    with pytest.warns(UserWarning, match="lacks 2 of the 80"):
        a, b = (model.reconstruct(cells, progress=False) for model in (fitted, Gears.load(tmp_path)))
    np.testing.assert_array_equal(a.pos, b.pos)
    np.testing.assert_array_equal(a.confidence, b.confidence)


def test_a_fit_that_may_not_serve_later_cells_says_so_at_once(tissue, recipe, monkeypatch) -> None:
    monkeypatch.setattr(Gears, "_fit", lambda self, parts, *a: parts)
    with pytest.warns(
        UserWarning, match=r"without cells, on the 80 genes of slide_0 alone: .*fit \.\.\. --cells CELLS"
    ):
        Gears(recipe).fit(tissue.slides[:1], progress=False)
    with pytest.warns(UserWarning, match=r"without cells, on the 80 genes of 2 slides: .*--cells CELLS"):
        Gears(recipe).fit(tissue.slides, progress=False)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        Gears(recipe).fit(tissue.slides[:1], tissue.cells, progress=False)
        big = simulate_tissue("gradient", slides=2, cells=20, spots=40, genes=210).slides
        Gears(recipe).fit(big, progress=False)
    assert not [w for w in heard if "without cells" in str(w.message)]


def test_paths_and_a_dict_are_fitted_and_laid_out_like_slides(tissue, recipe, fitted, tmp_path) -> None:
    paths = []
    for slide in tissue.slides:
        adata = as_anndata(slide)
        adata.obsm["spatial"] = np.array(slide.pos)
        paths.append(tmp_path / f"{slide.name}.h5ad")
        adata.write_h5ad(paths[-1])
    as_anndata(tissue.cells).write_h5ad(tmp_path / "cells.h5ad")
    again = Gears(recipe).fit(dict(zip("ab", paths, strict=True)), validate="b", progress=False)
    assert again.report["slides"] == ["a", "b"]
    one = fitted.reconstruct(tissue.cells, progress=False)
    two = again.reconstruct(str(tmp_path / "cells.h5ad"), progress=False)
    np.testing.assert_array_equal(one.pos, two.pos)


def test_what_is_no_slide_no_recipe_and_no_cells_is_refused(fitted, tissue, recipe) -> None:
    with pytest.raises(InputError, match="expected a list of slides, found one AnnData alone"):
        Gears(recipe).fit(as_anndata(tissue.slides[0]))
    with pytest.raises(InputError, match="expected a Recipe, found str"):
        Gears("quick")
    with pytest.raises(InputError, match="expected cells as an AnnData, a path or a Slide, found list"):
        fitted.reconstruct([tissue.cells])


def test_cells_that_nothing_tells_apart_are_refused(fitted, tissue) -> None:
    alike = np.outer(1 + np.arange(150) % 3, tissue.cells.counts.toarray()[0])
    with pytest.raises(InputError, match="cells: expected cells that differ, found 150 with the same expression"):
        fitted.reconstruct(replace(tissue.cells, counts=alike), progress=False)


def test_a_name_to_validate_that_is_none_is_refused(tissue, recipe) -> None:
    with pytest.raises(InputError, match=r"expected validate to name one of the slides slide_0, slide_1, found 3"):
        Gears(recipe).fit(tissue.slides, validate=3, progress=False)


def test_files_all_alike_are_refused_before_anything_is_written(tissue, recipe, tmp_path) -> None:
    alike = replace(tissue.cells, counts=np.tile(tissue.cells.counts.toarray()[:1] + 1, (150, 1)))
    flat = replace(tissue.slides[0], counts=np.ones(tissue.slides[0].counts.shape, np.float32))
    work = tmp_path / "work"
    with pytest.raises(InputError, match="cells: expected cells that differ"):
        Gears(recipe).fit(tissue.slides, alike, work_dir=work, progress=False)
    with pytest.raises(InputError, match="slide_0: expected spots that differ"):
        Gears(recipe).fit([flat, tissue.slides[1]], work_dir=work, progress=False)
    assert not work.exists()


def test_cells_of_one_count_are_placed_without_confidence(fitted, tissue) -> None:
    counts = tissue.cells.counts.toarray()
    rows = np.arange(0, 150, 10)
    counts[rows] = 0
    counts[rows, rows % 80] = 1
    found = fitted.reconstruct(replace(tissue.cells, counts=counts), progress=False)
    assert np.isfinite(found.pos).all()
    others = np.setdiff1d(np.arange(150), rows)
    assert found.confidence[rows].max() < 0.05
    assert found.confidence[others].mean() > 10 * found.confidence[rows].mean()
    # Nor when there are only such cells.
    counts = np.eye(150, 80) + np.eye(150, 80, -80)
    alone = fitted.reconstruct(replace(tissue.cells, counts=counts), progress=False)
    assert alone.confidence.max() < 0.2
    assert alone.verdict.word == "cannot tell"
    assert "few counts" in alone.verdict.reason


def test_a_limit_of_memory_is_refused_or_leaves_the_layout(fitted, tissue, monkeypatch) -> None:
    """Forty votes at a time or all of them."""
    with pytest.raises(InputError, match=r"expected at least .* GB for 150 cells .*raise max_memory, lower min_cover"):
        fitted.reconstruct(tissue.cells, max_memory="100MB", progress=False)
    free = fitted.reconstruct(tissue.cells, settings=PATCHES, progress=False)
    asked: list[tuple] = []
    monkeypatch.setattr("pyg_gears.prepared_query.votes_at_a_time", lambda *given: asked.append(given[:4]) or 40)
    bound = fitted.reconstruct(tissue.cells, settings=PATCHES, max_memory="3GB", progress=False)
    assert (
        asked == [("3GB", 150, PATCHES, 3)] * 2
    )  # one model and two regressions; before all work and before the layout
    assert np.abs(bound.pos - free.pos).max() < 1e-4
    np.testing.assert_allclose(bound.confidence, free.confidence, atol=1e-4)


def test_two_steps_are_one_and_the_counts_are_free_between_them(fitted, tissue) -> None:
    whole = fitted.reconstruct(tissue.cells, seed=3, progress=False)
    cells = replace(tissue.cells, counts=tissue.cells.counts.copy())
    held = weakref.ref(cells.counts)
    prepared = fitted.prepare(cells, seed=3)
    del cells
    gc.collect()
    assert held() is None
    found = fitted.lay_out(prepared, progress=False)
    np.testing.assert_array_equal(found.pos, whole.pos)
    np.testing.assert_array_equal(found.confidence, whole.confidence)
    assert found.verdict == whole.verdict


def test_a_file_is_read_in_the_genes_of_the_model_and_laid_out_as_the_whole_table(
    fitted, tissue, tmp_path, monkeypatch
) -> None:
    rng = np.random.default_rng(0)
    genes = (*tissue.cells.genes, *(f"other{i}" for i in range(30)))
    order = rng.permutation(len(genes))
    counts = hstack([tissue.cells.counts, csr_array(rng.poisson(2.0, (150, 30)))], format="csr")[:, order]
    more = replace(tissue.cells, counts=counts, genes=tuple(genes[i] for i in order))
    write_slide(tmp_path / "cells.h5ad", more)
    monkeypatch.setattr("pyg_gears.data.io.row_blocks.ENTRIES", 500)
    read = []
    real = prepared_query.readable_cells
    monkeypatch.setattr(
        prepared_query, "readable_cells", lambda cells, *rest: (read.append(cells), real(cells, *rest))[1]
    )
    found = fitted.reconstruct(tmp_path / "cells.h5ad", progress=False)
    whole = fitted.reconstruct(more, progress=False)
    assert read[0].genes == fitted.encoder.genes
    assert len(read[1].genes) == len(genes)
    np.testing.assert_allclose(found.pos, whole.pos, atol=1e-4)
    np.testing.assert_allclose(found.confidence, whole.confidence, atol=1e-5)

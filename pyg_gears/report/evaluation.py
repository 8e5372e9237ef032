"""Evaluation of a layout file: metrics against the truth, the same of the simple rivals, checks without truth, figures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_gears.data.gene_overlap import SMALL_SHARE, check_overlap
from pyg_gears.data.io.anndata_in import DEFAULT, cells_from_anndata
from pyg_gears.data.io.anndata_out import check_output
from pyg_gears.data.io.checked_files import checked_files
from pyg_gears.data.io.named_path import named_path
from pyg_gears.data.io.open_source import open_source
from pyg_gears.data.io.positions import likely_positions
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.data.whole_file import whole_file
from pyg_gears.errors import expect
from pyg_gears.report.report_folder import check_report_folder, plain, report_folder
from pyg_gears.report.true_positions import true_positions, truth_place
from pyg_gears.typing import FilePath, FloatArray

if TYPE_CHECKING:
    from anndata import AnnData

    from pyg_gears.data import Slide
    from pyg_gears.metrics import PurityOutput

OURS = "gears"
LABEL_KEYS = ("cell_type", "celltype", "type", "label", "labels", "annotation", "layer", "cluster")
MORAN_GENES = 50


def evaluate(
    layout_path: FilePath,
    truth_key: str = "spatial",
    references: Sequence[FilePath] = (),
    json_path: FilePath | None = None,
    figures_dir: FilePath | None = None,
    *,
    label_key: str | None = None,
    community_neighbors: int = 15,
    community_resolution: float = 0.2,
    seed: int = 0,
    reading: ReadOptions = DEFAULT,
) -> dict[str, Any]:
    """Evaluate the layout of a file, and of the simple rivals when reference slides are named.

    Everything is checked before anything is computed. JSON and figures appear whole or not at all.

    Args:
        layout_path: ``.h5ad`` with ``obsm["X_gears"]``, ``obs["gears_confidence"]`` and the cells' counts in ``X``.
        truth_key: Where the true positions are: a name in ``obsm``, or two columns of ``obs`` as "x,y". Without them only the
            checks that need no truth are made.
        references: ``.h5ad`` slides that the rivals learn from; the query's expression is the layout's own ``X``.
        json_path: A new file for the report (numbers that are not defined become null).
        figures_dir: A new or empty folder for the figures (PNG, and SVG for print).
        label_key: Column of ``obs`` with cell types; by default the first of ``LABEL_KEYS`` with at least two types.
        community_neighbors: Neighbours per cell in the graph whose Leiden communities are compared with the types.
        community_resolution: Resolution of those communities, above 0; the published values are 15 and 0.2.
        seed: Seed of all draws.
        reading: How the layout's counts and the reference slides are understood.

    Returns:
        The report:

        * ``layout``, ``cells`` (those that have a place and, where some have a true one, that), ``unplaced``,
          ``truth_key`` (None without truth), ``references``, ``label_key``, ``community_neighbors``,
          ``community_resolution``, ``seed`` and ``notes`` (sentences);
        * ``methods``: name -> metrics of ``metrics.evaluate_layout``, ours under "gears";
        * ``confidence``: rho of ``metrics.confidence_agreement``;
        * ``label_free``: name -> purity and the mean Moran's I of the 50 most variable genes. Neither is to be maximised:
          clusters of expression exceed the truth, whose values are given too;
        * ``communities``: name -> ``size``, ``majority`` type and ``purity`` of each community, the largest first.

    Raises:
        InputError: for a file that is not a layout, bad references, truth of another shape, or outputs that exist.
    """
    layout_path = named_path(layout_path).path
    slides, reading = _check_files(layout_path, references, json_path, figures_dir, reading)
    with open_source(layout_path) as source:
        adata = source.to_anndata()
    adata, unplaced = _placed(adata, Path(layout_path).stem)
    truth = true_positions(adata, truth_key, Path(layout_path).stem)
    adata, truth, unknown = _with_truth(adata, truth)
    cells = cells_from_anndata(adata, Path(layout_path).stem, reading)
    _check_shared([*slides, cells])
    labels, label_key = _labels(adata, label_key)

    from pyg_gears import metrics
    from pyg_gears.baselines import simple_rivals

    metrics.check_community_options(community_neighbors, community_resolution)
    layouts: dict[str, FloatArray] = {OURS: np.asarray(adata.obsm["X_gears"], dtype=np.float64)}
    if slides:
        layouts |= simple_rivals(slides, cells, seed=seed)
    confidence = np.asarray(adata.obs["gears_confidence"], dtype=np.float64)
    notes = _notes(adata, truth, truth_key, unknown, slides, labels, unplaced)
    report: dict[str, Any] = {
        "layout": os.fspath(layout_path),
        "cells": adata.n_obs,
        "unplaced": unplaced,
        "truth_key": truth_key if truth is not None else None,
        "references": [slide.name for slide in slides],
        "label_key": label_key,
        "community_neighbors": community_neighbors,
        "community_resolution": community_resolution,
        "seed": seed,
        "notes": notes,
        "methods": {},
        "confidence": None,
    }
    if truth is not None:
        report["methods"] = {name: metrics.evaluate_layout(pos, truth, seed=seed) for name, pos in layouts.items()}
        rho = metrics.confidence_agreement(confidence, layouts[OURS], truth, seed=seed)
        report["confidence"] = rho._asdict()
    shown = layouts if truth is None else {**layouts, "truth": truth}
    genes = _variable_genes(cells)
    report["label_free"] = {
        name: {"moran_i": float(np.nanmean(metrics.layout_morans_i(pos, genes[1])))} for name, pos in shown.items()
    }
    options = {"k": community_neighbors, "resolution": community_resolution, "seed": seed}
    found = {} if labels is None else _communities(shown, labels, options, notes)
    for name, purity in found.items():
        report["label_free"][name] |= {
            "purity": purity.purity,
            "purity_chance": purity.chance,
            "communities": purity.communities,
        }
    report["communities"] = {name: [row._asdict() for row in purity.table] for name, purity in found.items()}
    if figures_dir is not None:
        distances = adata.obsp.get("gears_distances")
        _write_figures(figures_dir, report, layouts, truth, confidence, genes, labels, found.get(OURS), distances, seed)
    if json_path is not None:
        with whole_file(json_path) as temporary:
            temporary.write_text(json.dumps(plain(report), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return report


def _check_files(
    layout_path: FilePath,
    references: Sequence[FilePath],
    json_path: FilePath | None,
    figures_dir: FilePath | None,
    reading: ReadOptions,
) -> tuple[list[Slide], ReadOptions]:
    """The reference slides, and how the layout's file is understood, when all outputs can be written."""
    with checked_files(references, layout_path, reading) as files:
        assert files.cells is not None
        layout = files.cells.source
        expect(
            layout.has("obsm/X_gears") and layout.has("obs/gears_confidence"),
            f"{layout.name}: expected a layout in obsm['X_gears'] and obs['gears_confidence'], found none; "
            "make one with pyg-gears reconstruct.",
        )
        _check_outputs(json_path, figures_dir)
        return [slide for file in files.slides for slide in file.read()], files.cells.options


def _check_shared(files: Sequence[Slide]) -> None:
    """Warn of rivals that learn from hardly any gene: they are no comparison.

    Raises:
        InputError: when layout and slides share fewer than 10 genes.
    """
    common = set(files[0].genes).intersection(*(file.genes for file in files))
    if len(common) < SMALL_SHARE * min(len(file.genes) for file in files):
        check_overlap(files, stacklevel=3)


def _check_outputs(json_path: FilePath | None, figures_dir: FilePath | None) -> None:
    if json_path is not None:
        check_output(json_path)
    if figures_dir is not None:
        from pyg_gears.report.figure_style import check_figures

        check_figures()
        check_report_folder(figures_dir)


def _with_truth(adata: AnnData, truth: FloatArray | None) -> tuple[AnnData, FloatArray | None, int]:
    """The cells whose true place is known, that truth, and the number of the others; all cells where none is known."""
    known = np.zeros(0, dtype=bool) if truth is None else np.isfinite(truth).all(axis=1)
    if truth is None or not known.any():
        return adata, None, 0
    return (adata, truth, 0) if known.all() else (adata[known].copy(), truth[known], int((~known).sum()))


def _labels(adata: AnnData, key: str | None) -> tuple[np.ndarray | None, str | None]:
    if key is not None:
        columns = ", ".join(map(str, adata.obs.columns))
        expect(key in adata.obs, f"expected cell types in obs[{key!r}], found columns {columns}; name one of them.")
        kinds = int(adata.obs[key].nunique())
        expect(
            2 <= kinds < adata.n_obs,
            f"expected two or more cell types in obs[{key!r}], found {kinds} in {adata.n_obs} cells; name another column with "
            "--label-key.",
        )
    for name in (key,) if key is not None else LABEL_KEYS:
        if name in adata.obs and 2 <= adata.obs[name].nunique() < adata.n_obs:
            return np.asarray(adata.obs[name].astype(str)), name
    return None, None


def _placed(adata: AnnData, name: str) -> tuple[AnnData, int]:
    """The cells that have a place, and the number of the others."""
    from pyg_gears.metrics import placed_cells

    pos = np.asarray(adata.obsm["X_gears"])
    expect(
        pos.ndim == 2 and pos.shape[1] == 2 and pos.dtype.kind in "fiu",
        f"{name}: expected a layout of shape (n, 2) in obsm['X_gears'], found {pos.dtype} of shape {pos.shape}; make one with "
        "pyg-gears reconstruct.",
    )
    placed = placed_cells(pos)
    return (adata, 0) if placed.all() else (adata[placed].copy(), int((~placed).sum()))


def _notes(
    adata: AnnData,
    truth: FloatArray | None,
    key: str,
    unknown: int,
    slides: Sequence[Any],
    labels: np.ndarray | None,
    unplaced: int,
) -> list[str]:
    """What the numbers do not cover, in sentences."""
    notes = []
    if unplaced:
        notes.append(f"{unplaced} cells have no place (they have no count in the model's genes): they are left out.")
    if truth is None:
        tables = [name for name, table in adata.obsm.items() if table.shape[1:] == (2,)]
        others = [name for name in likely_positions(tables, list(map(str, adata.obs.columns))) if name != key]
        notes.append(
            f"No true positions in {truth_place(adata, key)}: only checks that need no truth were made."
            + "".join(f" If {name} holds them, add --truth {name}." for name in others[:1])
        )
    if not slides:
        notes.append("No reference slide was named: no rivals were computed.")
    if labels is None:
        notes.append("No column of cell types was found: no purity was computed (name one with --label-key).")
    if truth is not None and unknown:
        notes.append(
            f"{unknown} cells have no true position (NaN in {truth_place(adata, key)}): they are in none of the numbers."
        )
    return notes


def _variable_genes(cells: Any) -> tuple[list[str], FloatArray]:
    """Names and normalised expression (n, p) of the most variable genes."""
    from pyg_gears.encoders import normalize_expression, variable_genes

    names = list(variable_genes([cells], MORAN_GENES))
    column = {gene: i for i, gene in enumerate(cells.genes)}
    # Normalised before the genes are chosen: the library size is that of all genes.
    expression = normalize_expression(cells)[:, [column[gene] for gene in names]]
    return names, expression.toarray().astype(np.float64)


def _communities(
    layouts: Mapping[str, FloatArray], labels: np.ndarray, options: Mapping[str, Any], notes: list[str]
) -> dict[str, PurityOutput]:
    """Communities of every layout and their types; none, and a note, without igraph."""
    from pyg_gears.metrics import community_purity

    try:
        return {name: community_purity(pos, labels, **options) for name, pos in layouts.items()}
    except ImportError as error:
        notes.append(str(error))
        return {}


def _write_figures(figures_dir: FilePath, report: Mapping[str, Any], *args: Any) -> None:
    from pyg_gears.report.figure_style import save_figure
    from pyg_gears.report.layout_figures import layout_figures

    with report_folder(figures_dir) as folder:
        for name, figure in layout_figures(report, *args).items():
            save_figure(figure, folder / f"{name}.png", _caption(report))


def _caption(report: Mapping[str, Any]) -> str:
    truth = f"truth in {report['truth_key']}" if report["truth_key"] else "no truth"
    rivals = f"rivals learned from {', '.join(report['references'])}" if report["references"] else "no rivals"
    name = Path(report["layout"]).name
    return f"{name}: n = {report['cells']:,} cells; {truth}; {rivals}; positions in RMS radii; seed {report['seed']}"

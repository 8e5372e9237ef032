"""Evaluation of a layout file: metrics against the truth, the same of the simple rivals, checks without truth, figures."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_gears.data.io.anndata_in import DEFAULT
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.data.whole_file import whole_file
from pyg_gears.report.evaluation_input import EvaluationInput, read_evaluation_input
from pyg_gears.report.evaluation_notes import evaluation_notes
from pyg_gears.report.report_folder import plain, report_folder
from pyg_gears.seeds import check_seed
from pyg_gears.typing import FilePath, FloatArray

if TYPE_CHECKING:
    from pyg_gears.metrics import PurityOutput

OURS = "gears"
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
        InputError: for a file that is not a layout, bad references, truth of another shape, outputs that exist, or a seed that
            is no whole number of at least 0.
    """
    check_seed(seed)
    given = read_evaluation_input(layout_path, truth_key, references, (json_path, figures_dir), label_key, reading)

    from pyg_gears import metrics
    from pyg_gears.baselines import simple_rivals

    metrics.check_community_options(community_neighbors, community_resolution)
    layouts = {OURS: given.pos}
    if given.slides:
        layouts |= simple_rivals(given.slides, given.cells, seed=seed)
    notes, genes = evaluation_notes(given), _variable_genes(given.cells)
    communities = {"k": community_neighbors, "resolution": community_resolution, "seed": seed}
    found = _communities(_with_true_layout(given, layouts), given.labels, communities, notes)
    report: dict[str, Any] = {
        "layout": os.fspath(given.path),
        "cells": given.adata.n_obs,
        "unplaced": given.unplaced,
        "truth_key": truth_key if given.truth is not None else None,
        "references": [slide.name for slide in given.slides],
        "label_key": given.label_key,
        "community_neighbors": community_neighbors,
        "community_resolution": community_resolution,
        "seed": seed,
        "notes": notes,
        **_against_truth(given, layouts, seed),
        "label_free": _label_free(_with_true_layout(given, layouts), genes[1], found),
        "communities": {name: [row._asdict() for row in purity.table] for name, purity in found.items()},
    }
    if figures_dir is not None:
        _write_figures(figures_dir, report, given, layouts, genes, found.get(OURS), seed)
    if json_path is not None:
        with whole_file(json_path) as temporary:
            temporary.write_text(json.dumps(plain(report), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return report


def _with_true_layout(given: EvaluationInput, layouts: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The layouts and, where it is known, the truth: whatever needs no truth is computed of it too."""
    return dict(layouts) if given.truth is None else {**layouts, "truth": given.truth}


def _against_truth(given: EvaluationInput, layouts: Mapping[str, FloatArray], seed: int) -> dict[str, Any]:
    """Metrics of every layout, and the agreement of our confidence; nothing of them where no truth is known."""
    from pyg_gears import metrics

    if given.truth is None:
        return {"methods": {}, "confidence": None}
    methods = {name: metrics.evaluate_layout(pos, given.truth, seed=seed) for name, pos in layouts.items()}
    rho = metrics.confidence_agreement(given.confidence, layouts[OURS], given.truth, seed=seed)
    return {"methods": methods, "confidence": rho._asdict()}


def _label_free(
    layouts: Mapping[str, FloatArray], expression: FloatArray, communities: Mapping[str, PurityOutput]
) -> dict[str, dict[str, float]]:
    """Moran's I of every layout and, where there are types, the purity of its communities."""
    from pyg_gears.metrics import layout_morans_i

    found: dict[str, dict[str, float]] = {
        name: {"moran_i": float(np.nanmean(layout_morans_i(pos, expression)))} for name, pos in layouts.items()
    }
    for name, purity in communities.items():
        found[name] |= {
            "purity": purity.purity,
            "purity_chance": purity.chance,
            "communities": purity.communities,
        }
    return found


def _variable_genes(cells: Any) -> tuple[list[str], FloatArray]:
    """Names and normalised expression (n, p) of the most variable genes."""
    from pyg_gears.encoders import normalize_expression, variable_genes

    names = list(variable_genes([cells], MORAN_GENES))
    column = {gene: i for i, gene in enumerate(cells.genes)}
    # Normalised before the genes are chosen: the library size is that of all genes.
    expression = normalize_expression(cells)[:, [column[gene] for gene in names]]
    return names, expression.toarray().astype(np.float64)


def _communities(
    layouts: Mapping[str, FloatArray], labels: np.ndarray | None, options: Mapping[str, Any], notes: list[str]
) -> dict[str, PurityOutput]:
    """Communities of every layout and their types; none without types or, with a note, without igraph."""
    if labels is None:
        return {}
    from pyg_gears.metrics import community_purity

    try:
        return {name: community_purity(pos, labels, **options) for name, pos in layouts.items()}
    except ImportError as error:
        notes.append(str(error))
        return {}


def _write_figures(
    figures_dir: FilePath,
    report: Mapping[str, Any],
    given: EvaluationInput,
    layouts: Mapping[str, FloatArray],
    genes: tuple[list[str], FloatArray],
    communities: PurityOutput | None,
    seed: int,
) -> None:
    from pyg_gears.report.figure_style import save_figure
    from pyg_gears.report.layout_figures import layout_figures

    distances = given.adata.obsp.get("gears_distances")
    figures = (layouts, given.truth, given.confidence, genes, given.labels, communities, distances, seed)
    with report_folder(figures_dir) as folder:
        for name, figure in layout_figures(report, *figures).items():
            save_figure(figure, folder / f"{name}.png", _caption(report))


def _caption(report: Mapping[str, Any]) -> str:
    truth = f"truth in {report['truth_key']}" if report["truth_key"] else "no truth"
    rivals = f"rivals learned from {', '.join(report['references'])}" if report["references"] else "no rivals"
    name = Path(report["layout"]).name
    return f"{name}: n = {report['cells']:,} cells; {truth}; {rivals}; positions in RMS radii; seed {report['seed']}"

"""``write_layout_page``: a layout as one interactive HTML file that opens without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from pyg_gears.data.io.anndata_in import DEFAULT, cells_from_anndata
from pyg_gears.data.io.anndata_out import check_output
from pyg_gears.data.io.checked_files import checked_files
from pyg_gears.data.io.named_path import named_path
from pyg_gears.data.io.open_source import open_source
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.report.batch_warnings import batch_warnings
from pyg_gears.report.confidence_verdict import confidence_verdict
from pyg_gears.report.explorer import explorer_data, explorer_html
from pyg_gears.report.html_parts import chart, copied, folded, items, paragraph, section, table, text
from pyg_gears.report.layout_origin import domain_warnings, layout_origin, part, training_sentences
from pyg_gears.report.page_charts import histogram
from pyg_gears.report.page_file import MAX_BYTES, page_html, plotly_source, write_page
from pyg_gears.report.page_genes import check_genes
from pyg_gears.report.report_folder import plain
from pyg_gears.report.solve_residuals import solve_residuals
from pyg_gears.report.true_positions import true_positions, truth_place
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData

UNPLACED_NAMES = 1000
"""Names of cells without a place that a page lists."""


def write_layout_page(
    layout_path: FilePath,
    out: FilePath,
    *,
    truth_key: str = "spatial",
    references: Sequence[FilePath] = (),
    genes: Sequence[str] = (),
    seed: int = 0,
    reading: ReadOptions = DEFAULT,
) -> None:
    """Write one self-contained HTML file of a layout, below 25 MB.

    Args:
        layout_path: ``.h5ad`` with a layout, as ``evaluate`` takes it.
        out: A new file.
        truth_key: Where the true positions are, a name in ``obsm`` or two columns of ``obs`` as "x,y"; they are shown beside the
            layout where they exist.
        references: Slides that the simple rivals learn from.
        genes: Genes that are to be on the page whatever their variance.
        seed: Seed of all draws.
        reading: How the layout's counts and the reference slides are understood.

    Raises:
        InputError: as ``evaluate``, for a gene that the file lacks, or an output that exists.
        ImportError: without plotly.
    """
    plotly_source()  # without it, fail before anything is computed
    check_output(out)
    from pyg_gears.report.evaluation import evaluate

    name, path = named_path(layout_path)
    with checked_files(references, path, reading) as files:
        assert files.cells is not None
        own = files.cells.options
    if genes:  # before the metrics, which take minutes
        with open_source(path) as source:
            check_genes(genes, cells_from_anndata(source.to_anndata(), name, own).genes)
    report = evaluate(path, truth_key, references, seed=seed, reading=reading)
    with open_source(path) as source:
        adata = source.to_anndata()
    write_page(out, layout_page(adata, name, report, genes=genes, seed=seed, reading=own))


def layout_page(
    adata: AnnData,
    name: str,
    report: Mapping[str, Any],
    *,
    genes: Sequence[str] = (),
    seed: int = 0,
    reading: ReadOptions = DEFAULT,
) -> str:
    """The page of a layout as HTML.

    Args:
        adata: The layout's file; a cell whose position is not finite counts as not placed.
        name: Its name.
        report: What ``evaluate`` returned for it.
        genes: Genes that are to be on the page.
        seed: Chooses the cells where there are too many.
        reading: How the counts are understood.

    Raises:
        InputError: when the placed cells have no usable counts.
        ImportError: without plotly.
    """
    pos = np.asarray(adata.obsm["X_gears"], dtype=np.float64)
    confidence = np.asarray(adata.obs["gears_confidence"], dtype=np.float64)
    placed = np.asarray(np.isfinite(pos).all(axis=1))
    kept = adata if placed.all() else adata[placed].copy()
    origin = layout_origin(adata.uns)
    verdict = confidence_verdict(confidence[placed], part(origin, "verdict"))
    charts = {"confidence-chart": histogram(confidence[placed], "confidence", "cells", (0.0, 1.0))}
    residuals = _residuals(pos, adata.obsp.get("gears_distances"), part(origin, "residuals"), charts)
    after = "".join([
        section("Confidence", chart("confidence-chart", "Confidence of the placed cells"), paragraph(*verdict)),
        _metrics(report),
        section("What the model was trained on", items(training_sentences(part(origin, "model")))),
        residuals,
        _recipe(origin),
    ])  # fmt: skip
    panels = _panels(pos[placed], adata, placed, report["truth_key"], name)
    warnings = [*domain_warnings(origin), *batch_warnings(kept.obs, pos[placed])]
    before = _head(name, placed, adata.obs_names, verdict, warnings, panels)
    room = MAX_BYTES - len(page_html(name, before + explorer_html() + after, charts=charts).encode())
    data, notes = explorer_data(
        cells_from_anndata(kept, name, reading),
        panels,
        pos[placed],
        confidence[placed],
        kept.obs,
        genes=genes,
        budget=room - 20_000,  # the notes
        seed=seed,
    )
    body = before + explorer_html() + items(notes) + after
    return page_html(f"Layout of {name}", body, cells=data, charts=charts)


def _panels(
    pos: Float[np.ndarray, "m 2"], adata: AnnData, placed: Bool[np.ndarray, " n"], truth_key: str | None, name: str
) -> list[tuple[str, Float[np.ndarray, "m 2"]]]:
    if truth_key is None:
        return [("Layout", pos)]
    from pyg_gears.report.layout_figures import drawn_together

    true = true_positions(adata, truth_key, name)
    assert true is not None
    true = true[placed]
    if not np.isfinite(true).all():  # of some cells alone
        return [("Layout", pos)]
    aligned, true = drawn_together(pos, true)
    return [("Layout, turned onto the truth", aligned), (f"Truth, {truth_place(adata, truth_key)}", true)]


def _head(
    name: str,
    placed: Bool[np.ndarray, " n"],
    names: Sequence[str],
    verdict: Sequence[str],
    warnings: Sequence[str],
    panels: Sequence[Any],
) -> str:
    known = " Their true places are shown beside the layout." if len(panels) > 1 else ""
    parts = [
        f"<h1>Layout of {text(name)}</h1>",
        f"<p>{text(f'{placed.sum():,} cells, placed by their expression alone.{known}')} "
        f"<strong>{text(verdict[0])}</strong> {text(' '.join(verdict[1:2]))}</p>",
        "".join(
            f'<p class="warning" role="note"><strong>Warning.</strong> {text(warning)}</p>' for warning in warnings
        ),
    ]
    if not placed.all():
        lost = [name for name, known in zip(names, placed, strict=True) if not known]
        more = f", and {len(lost) - UNPLACED_NAMES:,} more" if len(lost) > UNPLACED_NAMES else ""
        parts.append(
            f'<details id="unplaced"><summary>{len(lost):,} of {len(placed):,} cells are not placed</summary>'
            f"<p>They have no position in the file, most often since they have no counts of the model's genes: "
            f"{text(', '.join(lost[:UNPLACED_NAMES]) + more)}</p></details>"
        )
    return "".join(parts)


def _metrics(report: Mapping[str, Any]) -> str:
    from pyg_gears.metrics import BETTER
    from pyg_gears.report.evaluation_table import (
        ARROWS,
        HEADLINE_NOTE,
        LABEL_FREE,
        LABEL_FREE_NOTE,
        score_text,
        verdict,
    )

    parts = []
    for scores, better, title in (
        (report["methods"], BETTER, f"Against the true positions in {report['truth_key']}"),
        (report["label_free"], dict.fromkeys(LABEL_FREE, ""), "Without truth"),
    ):
        if scores:
            values, best = score_text(scores, better)
            directed = any(better.values())
            head = ["metric", *(["better"] if directed else []), *values.columns]
            rows = [[key, *([ARROWS[better[key]]] if directed else []), *values.loc[key]] for key in values.index]
            bold = [[*([False] if directed else []), False, *best.loc[key]] for key in values.index]
            parts.append(table(title, head, rows, bold if len(scores) > 1 else ()))
    if report["methods"]:
        parts.insert(0, items(verdict(report["methods"], BETTER).splitlines()))
    explained = [HEADLINE_NOTE] * bool(report["methods"]) + [LABEL_FREE_NOTE] * bool(report["label_free"])
    return section("Metrics and simple rivals", *parts, items([*explained, *report["notes"]]))


def _residuals(
    pos: Float[np.ndarray, "n 2"], distances: Any, numbers: Mapping[str, Any], charts: dict[str, Any]
) -> str:
    """Residuals of the global solve; adds their chart."""
    parts = []
    found = None if distances is None else solve_residuals(pos, distances)
    if found is not None and len(found.residual):
        span = max(float(np.percentile(np.abs(found.residual), 99)), 1e-9)
        charts["residual-chart"] = histogram(found.residual, "residual (RMS radii)", "pairs", (-span, span), mark=0.0)
        parts = [
            chart("residual-chart", "Layout distance minus solved-for distance, 99% of the stored pairs"),
            paragraph(
                f"Median of the absolute residual {np.median(np.abs(found.residual)):.3g}, of the distances "
                f"{np.median(found.distance):.3g}, over {len(found.residual):,} entries of the table of distances.",
                "A residual is what is left between the distance of two cells in the layout and the one predicted for them.",
                "Large residuals mean that the predicted distances do not fit into a plane: the layout is a compromise.",
            ),
        ]
    if numbers:
        rows = [(name, _short(value)) for name, value in sorted(numbers.items())]
        parts.append(folded("Every number of the solve", table("Report of the solve", ("number", "value"), rows)))
    return section("Residuals of the solve", *(parts or [paragraph("The file holds no distances and no residuals.")]))


def _recipe(origin: Mapping[str, Any]) -> str:
    kept = {key: origin[key] for key in ("recipe", "versions", "seed", "model", "gap", "adapted") if key in origin}
    if not kept:
        return section("Recipe and versions", paragraph("The file holds none."))
    content = json.dumps(plain(kept), indent=2, ensure_ascii=False, allow_nan=False, default=str)
    return section("Recipe and versions", copied("Recipe and versions", content))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

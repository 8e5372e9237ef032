"""``write_model_page``: what a fit has learned, as one HTML file in the model's folder."""

from __future__ import annotations

import csv
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from pyg_gears.data import Slide
from pyg_gears.data.counted import counted
from pyg_gears.fitted_gears import FittedGears
from pyg_gears.layout import ConfidenceCalibration, row_spearman
from pyg_gears.reconstruction import Reconstruction
from pyg_gears.report.explorer import explorer_data, explorer_html
from pyg_gears.report.html_parts import chart, copied, items, paragraph, section, table, text
from pyg_gears.report.layout_figures import drawn_together
from pyg_gears.report.layout_origin import training_sentences
from pyg_gears.report.page_charts import lines
from pyg_gears.report.page_file import page_html, plotly_source, write_page
from pyg_gears.report.report_folder import plain
from pyg_gears.training.structure_module import SELECTION_ENERGY
from pyg_gears.typing import FilePath

PAGE = "fit_report.html"
HELD_OUT_SPOTS = 5000
"""A larger held-out slide is not laid out for the page: it would take as long as ``reconstruct`` does."""
DATA_BUDGET = 8_000_000
"""Characters that the held-out slide may take."""
QUALITY_BINS = 10


class Curve(NamedTuple):
    """A chart over the epochs: its columns in the training log, with the name that each has in the legend."""

    name: str
    title: str
    columns: Mapping[str, str]
    limits: tuple[float, float] | None = None


TRAINING = (
    Curve("loss", "loss", {"loss": ""}),
    Curve("energy", "E_geo on the held-out minisets", {"h_gate": "inferred graph", "t_edge": "true graph"}),
)
GATE = Curve("gate", "gate precision", {"gate_precision": ""}, (0.0, 1.05))


def write_model_page(folder: FilePath, fitted: FittedGears, slides: Sequence[Slide] = ()) -> Path:
    """Write ``fit_report.html``: curves, the held-out layout, calibration of the confidence, the gate.

    Args:
        folder: The model's folder; training logs in it (``training_0.csv``, ...) become curves.
        fitted: The model.
        slides: The slides of the fit. The first held-out one is laid out, if it was held out whole and has at most 5000
            spots.

    Returns:
        The page.

    Raises:
        ImportError: without plotly.
    """
    plotly_source()
    folder = Path(folder)
    logs = [read_log(path) for path in sorted(folder.glob("training_*.csv"))]
    held_out = _held_out(fitted, slides)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a slide that lies far off; the page says so
        found = None if held_out is None else _found(fitted, held_out)
    path = folder / PAGE
    write_page(path, model_page(folder.resolve().name, fitted, logs, held_out, found))
    return path


def model_page(
    name: str,
    fitted: FittedGears,
    logs: Sequence[Mapping[str, Float[np.ndarray, " e"]]],
    held_out: Slide | None,
    found: Reconstruction | None,
) -> str:
    """The page of a model as HTML; ``found`` is the layout of the slide ``held_out``."""
    charts: dict[str, Any] = {}
    data, scatter, quality = None, "", None
    if held_out is not None and found is not None and held_out.pos is not None:
        quality = row_spearman(found.pos, held_out.pos)
        data, scatter = _scatter(held_out, found, quality)
    body = "".join([
        f"<h1>Model {text(name)}</h1>",
        items(training_sentences(fitted.report)),
        section("The held-out slide", scatter or paragraph(_why_none(fitted))),
        _calibration(fitted.calibration, found, quality, charts),
        _gate(fitted.report, logs, charts),
        _curves(logs, charts),
        section("Recipe", copied("Recipe", json.dumps(plain(fitted.recipe.as_dict()), indent=2, ensure_ascii=False))),
    ])  # fmt: skip
    return page_html(f"Model {name}", body, cells=data, charts=charts)


def read_log(path: Path) -> dict[str, Float[np.ndarray, " e"]]:
    """Columns of a training log; an empty field is NaN."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in (rows[0] if rows else ())}


def _held_out(fitted: FittedGears, slides: Sequence[Slide]) -> Slide | None:
    names = () if fitted.report.get("held_out_is_block") else fitted.report.get("held_out", ())
    fitting = [s for s in slides if s.name in names and s.pos is not None and len(s) <= HELD_OUT_SPOTS]
    if not fitting:
        return None
    # Spots without a count have no place in the layout.
    kept = counted(fitting[0].subset_genes(fitted.encoder.genes)).kept
    return fitting[0] if kept.all() else fitting[0].select(kept)


def _found(fitted: FittedGears, held_out: Slide) -> Reconstruction:
    """The slide as the models laid it out that had not been trained on it; older models never were."""
    found = fitted.reconstruct(held_out, adapt="none", progress=False)
    if held_out.name not in fitted.held_out:
        return found
    pos = np.full_like(found.pos, np.nan)
    pos[np.isfinite(found.pos).all(axis=1)] = fitted.held_out[held_out.name]
    return replace(found, pos=pos)


def _why_none(fitted: FittedGears) -> str:
    if fitted.report.get("held_out_is_block"):
        of = "the slide" if len(fitted.report["slides"]) == 1 else "each slide"
        return f"A block of {of} was held out, and no whole slide: there is no layout of one to show."
    return "It is not shown, since it was not at hand or is large: lay it out with pyg-gears reconstruct and pyg-gears report."


def _scatter(slide: Slide, found: Reconstruction, quality: Float[np.ndarray, " n"]) -> tuple[dict[str, Any], str]:
    import pandas as pd

    assert slide.pos is not None
    aligned, true = drawn_together(found.pos, slide.pos)
    data, notes = explorer_data(
        slide,
        [(f"Layout of {slide.name}, turned onto the truth", aligned), ("Truth", true)],
        found.pos,
        found.confidence,
        pd.DataFrame({"rank correlation reached": quality}),
        genes=(),
        budget=DATA_BUDGET,
        seed=0,
    )
    intro = [
        f"The {len(slide):,} spots of {slide.name}, which chose the epoch, laid out before anything was trained on them."
    ]
    if found.gap.far:
        intro.append("It lies farther from the training slides than other sections of a tissue do.")
    return data, paragraph(*intro) + explorer_html() + items(notes)


def _calibration(
    calibration: ConfidenceCalibration,
    found: Reconstruction | None,
    quality: Float[np.ndarray, " n"] | None,
    charts: dict[str, Any],
) -> str:
    parts = []
    intro = paragraph(
        "Confidence says what rank correlation a cell's distances are expected to have with the true ones. It is read from how "
        "far apart the training spots that resemble the cell lie: the scatter, in units of the section's radius (RMS)."
    )
    if calibration.calibrated:
        curve = {"confidence": (calibration.scatter, calibration.confidence)}
        charts["calibration"] = lines(curve, "scatter (RMS radii)", "confidence")
        title = "From the scatter of the training spots that resemble a cell to its confidence, as learned from what was held out"
        parts.append(chart("calibration", title))
    if found is not None and quality is not None:
        spots = {"spots": _tenths(found.confidence, quality)}
        charts["reached"] = lines(spots, "confidence", "rank correlation reached", diagonal=True)
        parts.append(
            chart("reached", "Confidence and rank correlation reached on the held-out slide, tenths of the spots")
        )
        parts.append(paragraph("Confidence was fitted to this slide: that the two agree on it is no test."))
    return section("Calibration of the confidence", intro, f'<div class="row">{"".join(parts)}</div>')


def _tenths(confidence: Float[np.ndarray, " n"], quality: Float[np.ndarray, " n"]) -> tuple[list[float], list[float]]:
    """Mean confidence and mean quality of tenths of the spots by confidence; equal confidences stay together."""
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, QUALITY_BINS + 1)))
    tenth = np.searchsorted(edges[1:-1], confidence, side="right")
    parts = [tenth == k for k in np.unique(tenth)]
    return [float(confidence[part].mean()) for part in parts], [float(quality[part].mean()) for part in parts]


def _gate(report: Mapping[str, Any], logs: Sequence[Mapping[str, Any]], charts: dict[str, Any]) -> str:
    names = {"h_gate": "inferred graph, with its gate", "t_edge": "true graph, without a gate"}
    rows = [(name, f"{report[key]:.3f}") for key, name in names.items() if key in report]
    parts = [table("Mean of the models on the held-out minisets; the truth has 0", ("graph", "E_geo"), rows)]
    if len(rows) == len(names):
        cost = report["h_gate"] - report["t_edge"]
        parts.append(
            paragraph(f"The inferred graph costs {cost:+.3f}; what the true graph leaves is the structure model's own.")
        )
    intro = paragraph(
        "The gate tells which cells of similar expression are neighbours in the tissue: with it the model works on an inferred "
        "graph; for comparison, with the true neighbours. E_geo is an error of the geometry, lower is better; gate precision is "
        "the share of true neighbours among the 30 that the gate ranks first."
    )
    return section("The gate", intro, *parts, _chart(GATE, logs, charts))


def _curves(logs: Sequence[Mapping[str, Any]], charts: dict[str, Any]) -> str:
    if not logs:
        return section("Training", paragraph("The folder holds no training log."))
    drawn = "".join(_chart(curve, logs, charts) for curve in TRAINING)
    intro = paragraph(
        "An epoch is one pass over the minisets, small sets of spots that are laid out at once. Training lowers the loss on "
        "those of the training slides; E_geo is measured on those of what was held out: its lowest value chooses the epoch."
    )
    return section("Training", intro, items(_kept(logs)), f'<div class="row">{drawn}</div>')


def _kept(logs: Sequence[Mapping[str, Float[np.ndarray, " e"]]]) -> list[str]:
    """Which epoch's weights each model has."""
    lines = []
    for number, log in enumerate(logs):
        energy = log.get(SELECTION_ENERGY, np.empty(0))
        if np.isfinite(energy).any():
            best = int(log["epoch"][np.nanargmin(energy)]) + 1
            name = f"Model {number} has" if len(logs) > 1 else "The model has"
            lines.append(
                f"{name} the weights of epoch {best} of {len(energy)}, where E_geo with the inferred graph was lowest."
            )
    return lines


def _chart(curve: Curve, logs: Sequence[Mapping[str, Any]], charts: dict[str, Any]) -> str:
    curves = {}
    for number, log in enumerate(logs):
        for column, name in curve.columns.items():
            if column in log:
                label = ", ".join(part for part in (f"model {number}" if len(logs) > 1 else "", name) if part)
                curves[label] = (log["epoch"] + 1, log[column])  # as ``fit`` counts them
    if not curves:
        return ""
    charts[curve.name] = lines(curves, "epoch", curve.title, group=len(curve.columns), limits=curve.limits)
    return chart(curve.name, f"{curve.title[0].upper()}{curve.title[1:]}, by epoch")

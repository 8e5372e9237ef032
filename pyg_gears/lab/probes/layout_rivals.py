"""The model's layout of whole held-out slides beside those of the simple rivals, on the same slides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from pyg_gears.baselines import simple_rivals
from pyg_gears.geometry import gauge_fix
from pyg_gears.lab.probe import NotMeasurable, Probe, Requirement
from pyg_gears.lab.probes.evaluation_batches import MinisetTable, evaluation_batches
from pyg_gears.lab.probes.figure_parts import draw_bars
from pyg_gears.lab.probes.miniset_energies import miniset_energies
from pyg_gears.lab.probes.subject import SEEN, Found, ModelSubject, OnSlide, SlideSubject, slide_requirements
from pyg_gears.layout import reconstruct_layout
from pyg_gears.metrics import distance_agreement, neighborhood_agreement
from pyg_gears.report.figure_style import legend_below

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODEL = "model"
# How far the model may stay behind the best rival: about the deviation of a layout's scores between seeds.
MARGIN = 0.02


class LayoutScores(NamedTuple):
    """One layout of a slide against the truth.

    Attributes:
        spearman: Rank correlation of the pairwise distances.
        trust_20: Trustworthiness of the 20 nearest neighbours.
        energy: E_geo of the minisets' parts of the layout, mean over minisets.
    """

    spearman: float
    trust_20: float
    energy: float


def layout_rivals(slide: SlideSubject, subject: ModelSubject) -> dict[str, LayoutScores]:
    """Lay the slide out with the model's members, as cells would be, and with every simple rival.

    Args:
        slide: A slide with expression that the model has not been trained on.
        subject: The model; the rivals are fitted on its ``references``.

    Returns:
        "model", then each rival of :func:`pyg_gears.baselines.simple_rivals` -> its scores.
    """
    assert slide.slide is not None
    embedded, candidates = slide.minisets.slides[0], subject.candidates
    device = next(subject.members[0].parameters()).device
    own = reconstruct_layout(
        list(subject.members), embedded.x, candidates=candidates, seed=subject.seed, progress=False, device=device
    ).pos
    layouts = {MODEL: own, **simple_rivals(subject.references, slide.slide, seed=subject.seed)}
    truth = embedded.pos.double().numpy()
    return {
        name: LayoutScores(
            distance_agreement(layout, truth, seed=subject.seed).spearman,
            neighborhood_agreement(layout, truth, seed=subject.seed).trust,
            _energy(layout, slide, subject),
        )
        for name, layout in layouts.items()
    }


def _energy(layout: Float[np.ndarray, "n 2"], slide: SlideSubject, subject: ModelSubject) -> float:
    pos, table = torch.from_numpy(layout), MinisetTable(len(slide.minisets))
    with evaluation_batches(subject.members[0], slide.minisets, subject.node_budget) as batches:
        for ids, batch in batches:
            part = gauge_fix(pos[batch.node_id.cpu()].to(batch.x.device), batch.batch)
            table.add("energy", ids, miniset_energies(part, batch).energy)
    return float(table.mean("energy"))


def _measure(subject: ModelSubject) -> Found[dict[str, LayoutScores]]:
    chosen = [slide for slide in subject.slides if slide.status != SEEN and slide.slide is not None]
    if not chosen:
        raise NotMeasurable("expected a slide that the model was not trained on, found none; name one.")
    if not subject.references:
        raise NotMeasurable(
            "expected slides of the training to fit the simple rivals on, found none; name them among the slides or "
            "with --reference."
        )
    found = []
    for slide in chosen:
        subject.progress(f"{slide.name}: simple rivals")
        found.append(OnSlide(slide.name, slide.status, (layout_rivals(slide, subject),)))
    return tuple(found)


def _tables(found: Found[dict[str, LayoutScores]]) -> Mapping[str, pd.DataFrame]:
    columns = {"spearman": "Spearman", "trust_20": "Trust@20", "energy": "E_geo on minisets"}
    return {
        f"Whole layouts, {slide.label}": pd.DataFrame.from_dict(
            {name: {label: getattr(one, key) for key, label in columns.items()} for name, one in scores.items()},
            orient="index",
        )
        for slide in found
        for scores in slide.members
    }


def _draw(found: Found[dict[str, LayoutScores]], figure: Figure) -> None:
    names = list(found[0].members[0])
    titles = {
        "spearman": "Spearman of distances (higher)",
        "trust_20": "Trust@20 (higher)",
        "energy": "E_geo on minisets (lower)",
    }
    figure.set_size_inches(12.0, 1.4 + 0.36 * len(names) * max(len(found), 2))
    panels = figure.subplots(1, len(titles), sharey=True)
    for axes, (key, title) in zip(panels, titles.items(), strict=True):
        values = {
            slide.label: [
                [getattr(slide.members[0][name], key) if name in slide.members[0] else np.nan] for name in names
            ]
            for slide in found
        }
        draw_bars(axes, names, values)
        axes.set_title(title, fontsize=10)
    legend_below(figure, panels, columns=3)


def _requirements(slide: OnSlide[dict[str, LayoutScores]]) -> list[Requirement]:
    (scores,) = slide.members
    own, found = scores[MODEL], []
    rivals = {name: one for name, one in scores.items() if name != MODEL}
    for key, label in (("spearman", "Spearman of distances"), ("trust_20", "Trust@20")):
        best = max(rivals, key=lambda name: getattr(rivals[name], key))
        figure = getattr(rivals[best], key)
        name = f"{label} of the layout, against the best rival"
        found.append(Requirement(name, getattr(own, key), figure - MARGIN, "at least", note=f"{best} {figure:.3f}"))
    best = min(rivals, key=lambda name: rivals[name].energy)
    limit, note = rivals[best].energy, f"{best} {rivals[best].energy:.3f}"
    return [*found, Requirement("E_geo of the layout, against the best rival", own.energy, limit, "at most", note=note)]


PROBE = Probe("layout_rivals", _measure, _tables, _draw, slide_requirements(_requirements))

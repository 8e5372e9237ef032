"""Correlation alignment of whole slides against that inside K clusters of like spots: what is removed, and what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.neighbor_agreement import neighbor_agreement
from pyg_gears.lab.encoders.comparison_rows import fit_pca, fit_pooled
from pyg_gears.lab.encoders.conditional_alignment import ConditionalAlignedEncoder
from pyg_gears.lab.encoders.figure_parts import BARS, plain_axes
from pyg_gears.lab.encoders.slide_probe import slide_probe
from pyg_gears.lab.encoders.subject import KINDS, Numbers, SlidesSubject
from pyg_gears.lab.probe import Probe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLUSTERS = (1, 5, 10, 20, 30, 50)
SPOTS_A_CLUSTER = 20
GUIDE = 20
COLUMNS = {"probe": "slide probe", "probe_squares": "with squares", "overlap": "overlap@20"}


class CoralSweep(NamedTuple):
    """Scores of conditional CORAL on 50 pooled components.

    Attributes:
        chance: Accuracy of a slide probe that knows nothing.
        clusters: Numbers of clusters K; 1 aligns whole slides.
        fitted: Scores with all slides in the fit, one mapping per K: the linear slide probe, the one with squares, and
            overlap@20 with physical neighbours.
        held_out: The same for fits that left slides out, mean over the folds, the overlap that of the slides left out.
    """

    chance: float
    clusters: tuple[int, ...]
    fitted: tuple[Numbers, ...]
    held_out: tuple[Numbers, ...]


def _measure(subject: SlidesSubject) -> CoralSweep:
    """As many clusters as leave twenty spots to each on the average training slides."""
    least = min(sum(len(slide) for slide in train) for _, train in subject.splits())
    counts = tuple(count for count in CLUSTERS if count == 1 or count * SPOTS_A_CLUSTER <= least)
    splits = []
    for unseen, train in subject.splits():
        base, guide = fit_pooled(train, 50), fit_pca(train, GUIDE, "pca")
        fits = (ConditionalAlignedEncoder.fit(base, guide, train, clusters=k, seed=subject.seed) for k in counts)
        splits.append([_scores(one, subject, unseen or train) for one in fits])
    folds = [
        {key: float(np.mean([split[i][key] for split in splits[1:]])) for key in COLUMNS} for i in range(len(counts))
    ]
    return CoralSweep(subject.chance, counts, tuple(splits[0]), tuple(folds))


def _scores(encoder: ConditionalAlignedEncoder, subject: SlidesSubject, judged: list[Slide]) -> Numbers:
    xs = {slide.name: encoder.encode(slide) for slide in subject.slides}
    values = torch.cat(list(xs.values())).numpy()
    overlaps = [neighbor_agreement(xs[slide.name], torch.tensor(slide.pos)).overlap for slide in judged]
    squares = np.concatenate([values, values**2], axis=1)
    linear, curved = (slide_probe(x, subject.labels, seed=subject.seed).accuracy for x in (values, squares))
    return {"probe": linear, "probe_squares": curved, "overlap": float(np.mean(overlaps))}


def _tables(record: CoralSweep) -> Mapping[str, pd.DataFrame]:
    rows = {
        (f"K = {count}", label): [getattr(record, kind)[i][key] for key in COLUMNS]
        for i, count in enumerate(record.clusters)
        for kind, label in KINDS.items()
    }
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(COLUMNS.values()))
    title = "CORAL of PCA-50 inside K clusters of like spots (K = 1: whole slides; better: chance, chance, higher)"
    return {title: frame.set_axis(pd.MultiIndex.from_tuples(rows))}


def _draw(record: CoralSweep, figure: Figure) -> None:
    figure.set_size_inches(10.5, 3.6)
    panels = figure.subplots(1, len(COLUMNS))
    for axes, (key, title) in zip(panels, COLUMNS.items(), strict=True):
        for kind, (label, color) in BARS.items():
            values = [numbers[key] for numbers in getattr(record, kind)]
            axes.plot([str(count) for count in record.clusters], values, marker="o", color=color, label=label)
        if key != "overlap":
            axes.axhline(record.chance, color="black", lw=0.8, ls="--", label="chance")
        highest = max(numbers[key] for kind in BARS for numbers in getattr(record, kind))
        axes.set(xlabel="clusters K", ylim=(0, 1.2 * highest if key == "overlap" else 1.05))
        axes.set_title(title, fontsize=10)
        plain_axes(axes)
    handles, texts = panels[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3, frameon=False, fontsize=9)


PROBE = Probe("coral_sweep", _measure, _tables, _draw)

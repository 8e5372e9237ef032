"""Slide probe of the uncorrected embedding without the genes that differ most between slides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from pyg_gears.data.slide import Slide
from pyg_gears.lab.encoders.comparison_rows import fit_pooled
from pyg_gears.lab.encoders.figure_parts import BARS, plain_axes
from pyg_gears.lab.encoders.kruskal_wallis import gene_test
from pyg_gears.lab.encoders.slide_probe import slide_probe
from pyg_gears.lab.encoders.subject import KINDS, SlidesSubject
from pyg_gears.lab.probe import Probe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REMOVED = (0, 50, 200, 500, 1000)


class GeneRemoval(NamedTuple):
    """Balanced accuracy of the slide probe on 50 pooled components of the genes that stay.

    Attributes:
        chance: One over the number of slides.
        removed: Number of genes removed.
        fitted: Accuracy with components of all slides.
        held_out: Accuracy with components that leave slides out, mean over the folds.
    """

    chance: float
    removed: tuple[int, ...]
    fitted: tuple[float, ...]
    held_out: tuple[float, ...]


def gene_removal(subject: SlidesSubject) -> GeneRemoval:
    """Remove the genes of largest Kruskal-Wallis effect (over all slides), as long as half of the genes stay."""
    genes = subject.slides[0].genes
    order = np.argsort(-gene_test(subject).effect, kind="stable")
    counts = [count for count in REMOVED if count <= len(genes) // 2]
    fitted, held_out = [], []
    for count in counts:
        rest = [genes[i] for i in np.sort(order[count:])]

        def probe(train: list[Slide], kept: list[str] = rest) -> float:
            encoder = fit_pooled([slide.subset_genes(kept) for slide in train], 50)
            xs = [encoder.encode(slide.subset_genes(kept)).numpy() for slide in subject.slides]
            return slide_probe(np.concatenate(xs), subject.labels, seed=subject.seed).accuracy

        (_, everything), *folds = subject.splits()
        fitted.append(probe(everything))
        held_out.append(float(np.mean([probe(train) for _, train in folds])))
    return GeneRemoval(subject.chance, tuple(counts), tuple(fitted), tuple(held_out))


def _tables(record: GeneRemoval) -> Mapping[str, pd.DataFrame]:
    values = {label: getattr(record, kind) for kind, label in KINDS.items()}
    index = [f"{count} removed" for count in record.removed]
    return {"Slide probe of raw PCA-50 without the genes that differ most": pd.DataFrame(values, index=index)}


def _draw(record: GeneRemoval, figure: Figure) -> None:
    figure.set_size_inches(5.2, 3.8)
    axes = figure.subplots()
    for kind, (label, color) in BARS.items():
        axes.plot([str(count) for count in record.removed], getattr(record, kind), marker="o", color=color, label=label)
    axes.axhline(record.chance, color="black", lw=0.8, ls="--", label="chance")
    axes.set(
        xlabel="genes removed, largest difference between slides first",
        ylabel="balanced accuracy",
        title="slide probe on raw PCA-50",
        ylim=(0, 1.05),
    )
    plain_axes(axes)
    axes.legend(frameon=False, fontsize=9)


PROBE = Probe("gene_removal", gene_removal, _tables, _draw)

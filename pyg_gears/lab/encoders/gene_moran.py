"""Spatial autocorrelation of genes before and after each correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import Encoder
from pyg_gears.encoders.centering import center, normalize_expression
from pyg_gears.encoders.genes import variable_genes
from pyg_gears.graphs import morans_i
from pyg_gears.lab.encoders.aligned import AlignedEncoder
from pyg_gears.lab.encoders.comparison_rows import CORAL
from pyg_gears.lab.encoders.pooled_pca import PooledPCAEncoder
from pyg_gears.lab.encoders.slide_graph import slide_graph
from pyg_gears.lab.encoders.subject import KINDS, Numbers, SlidesSubject
from pyg_gears.lab.probe import Probe
from pyg_gears.typing import FloatArray

GENES = 50


def gene_moran(aligned: Encoder, train: Sequence[Slide], slides: Sequence[Slide]) -> Numbers:
    """Mean Moran's I of the 50 most variable genes on some slides, before and after each correction.

    CORAL acts on 50 components; its change of these is added to the genes that they are made of, X + (H' - H) V^T.

    Args:
        aligned: CORAL over a pooled PCA, fitted on the training slides.
        train: The training slides; the genes are chosen on them.
        slides: The slides to measure.
    """
    assert isinstance(aligned, AlignedEncoder)
    base = aligned.base
    assert isinstance(base, PooledPCAEncoder)
    names = variable_genes([slide.subset_genes(base.genes) for slide in train], GENES)
    position = {gene: i for i, gene in enumerate(base.genes)}
    columns = [position[gene] for gene in names]
    found: dict[str, list[float]] = {"raw": [], "centred": [], "z-scored": [], "CORAL": []}
    for slide in slides:
        # Normalised before the genes are chosen: the library size is that of all genes.
        expression = normalize_expression(slide.subset_genes(base.genes))[:, columns]
        raw = expression.toarray().astype(np.float64)
        change = (aligned.encode(slide) - base.encode(slide)).double() @ base.components[columns].double().T
        graph = slide_graph(slide)
        versions = (
            raw,
            center(expression, zscore=False),
            center(expression, zscore=True),
            raw + base.scale * change.numpy(),
        )
        for values, version in zip(found.values(), versions, strict=True):
            values.append(_mean_known(morans_i(version, graph)))
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def _mean_known(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _measure(subject: SlidesSubject) -> dict[str, Numbers]:
    """Mean over all slides of the fit to all, and mean over the folds of the slides left out."""
    one = subject.embedding(CORAL)
    assert one.fitted is not None
    folds = [gene_moran(fit.encoder, fit.seen, fit.unseen) for fit in one.folds]
    return {
        "fitted": gene_moran(one.fitted.encoder, one.fitted.seen, one.fitted.seen),
        "held_out": {kind: float(np.mean([fold[kind] for fold in folds])) for kind in folds[0]},
    }


def _tables(record: Mapping[str, Numbers]) -> Mapping[str, pd.DataFrame]:
    rows = {label: record[kind] for kind, label in KINDS.items()}
    return {f"Moran's I of genes, mean of the {GENES} most variable": pd.DataFrame.from_dict(rows, orient="index")}


PROBE = Probe("gene_moran", _measure, _tables)

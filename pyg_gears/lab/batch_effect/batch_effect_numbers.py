"""The batch-effect report of slides in memory: everything but files and figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from pyg_gears.data.slide import Slide, shared_genes
from pyg_gears.encoders.base import Encoder
from pyg_gears.encoders.centering import normalize_expression
from pyg_gears.lab.batch_effect.batch_effect_rows import cell_gaps, gene_moran, mean_gap, scored_record, summary
from pyg_gears.lab.batch_effect.comparison_rows import (
    CENTRED,
    CORAL,
    RAW,
    ComparisonRow,
    FittedRow,
    comparison_rows,
    fit_pca,
    fit_pooled,
    on_variable_genes,
)
from pyg_gears.lab.batch_effect.embedding_scores import like_spots, qc_features, slide_labels
from pyg_gears.lab.batch_effect.kruskal_wallis import kruskal_wallis
from pyg_gears.lab.batch_effect.slide_probe import slide_probe
from pyg_gears.lab.batch_effect.subspace_angles import slide_subspace_angles
from pyg_gears.typing import FloatArray, IntArray

FDR = 0.05
TOP_GENES = 20
REMOVED = (50, 200, 500, 1000)
MAX_SPOTS = 5000


class BatchEffect(NamedTuple):
    """A report, and what its figures need besides.

    Attributes:
        report: All numbers; see :func:`batch_effect_numbers`.
        pictures: "raw" and "centred" -> first two principal components of every spot, shape (n, 2).
        labels: Number of the slide of each spot, shape (n,).
    """

    report: dict[str, Any]
    pictures: dict[str, FloatArray]
    labels: IntArray


def batch_effect_numbers(
    slides: Sequence[Slide],
    cells: Slide | None = None,
    *,
    held_out: Sequence[str] = (),
    more_rows: Sequence[ComparisonRow] = (),
    fitted: Sequence[FittedRow] = (),
    seed: int = 0,
    adapter_steps: int = 500,
) -> BatchEffect:
    """Measure the batch effect of slides, and how cells differ from spots.

    Args:
        slides: Two or more slides with positions and names of their own.
        cells: Dissociated cells.
        held_out: Names of slides to leave out of every fit, all at once; by default each slide is left out in turn.
        more_rows: Embeddings to compare besides :func:`~pyg_gears.lab.batch_effect.comparison_rows.comparison_rows`.
        fitted: Encoders that are fitted already.
        seed: Seed of all draws.
        adapter_steps: Steps of the adapters between cells and spots.

    Returns:
        The report: ``slides``, ``genes`` (shared), ``cells``, ``seed``, ``folds`` (slides left out together), ``chance``,
        ``notes``; without any encoder: ``qc_probe``, ``kruskal_wallis``, ``principal_angles``; with encoders fitted on all
        slides and with slides left out: ``removal``, ``gene_moran``, ``rows`` (name -> ``fitted``, ``folds``, ``summary``)
        and ``cell_gaps`` (row -> ``fitted``, ``held_out``, ``floor``).

    Raises:
        InputError: when fewer than two genes are shared, or a fitted encoder reads genes that a file lacks.
    """
    from tqdm import tqdm

    notes: list[str] = []
    whole = [_thinned(slide, seed, notes) for slide in slides]
    for done in fitted:
        for each in (*whole, *(() if cells is None else (cells,))):
            each.subset_genes(done.encoder.genes)  # what a file lacks is said now, not after the other rows
    genes = shared_genes([*whole, cells] if cells is not None else whole)
    slides = [slide.subset_genes(genes) for slide in whole]
    loose = None if cells is None else cells.subset_genes(genes)
    folds = [tuple(held_out)] if held_out else [(slide.name,) for slide in slides]
    labels = slide_labels(slides)
    expression = sparse.csr_array(sparse.vstack([normalize_expression(slide) for slide in slides]))
    test = kruskal_wallis(expression, labels)
    order = np.argsort(-test.effect, kind="stable")

    joint = fit_pca(slides, 20, "pca")
    clusters = like_spots([joint.encode(slide) for slide in slides], seed=seed)
    splits = [([], slides), *(_split(slides, names) for names in folds)]
    encoders, rows, gaps = {}, {}, {}
    for row in tqdm((*comparison_rows(seed), *more_rows), desc="embeddings", disable=None):
        encoders[row.name] = fits = [row.fit(train) for _, train in splits]
        records = [
            scored_record(encoder, slides, [slide.name for slide in unseen], clusters, seed)
            for encoder, (unseen, _) in zip(fits, splits, strict=True)
        ]
        rows[row.name] = _row(fits[0].out_channels, records, [slide.name for slide in slides])
        if row.adapt and loose is not None:
            found = [
                cell_gaps(encoder, train, unseen, loose, seed, adapter_steps)
                for encoder, (unseen, train) in zip(fits, splits, strict=True)
            ]
            gaps[row.name] = {**found[0], "held_out": mean_gap([gap["held_out"] for gap in found[1:]])}
    pictures = {
        kind: np.concatenate([encoders[name][0].encode(slide).numpy()[:, :2] for slide in slides])
        for kind, name in (("raw", RAW), ("centred", CENTRED))
    }
    for done in fitted:
        # A fitted encoder may read genes that not all files share: it gets the slides as they came.
        seen, unseen = ([slide for slide in whole if (slide.name in done.seen) == known] for known in (True, False))
        record = scored_record(done.encoder, whole, [slide.name for slide in unseen], clusters, seed)
        rows[done.name] = _fitted_row(done, record, seen, unseen)
        if cells is not None and seen:
            gaps[done.name] = cell_gaps(done.encoder, seen, unseen, cells, seed, adapter_steps)
        elif cells is not None:
            notes.append(f"{done.name}: saw none of the slides, so that no adapter to its training spots was fitted.")
    return BatchEffect(
        {
            "slides": [{"name": slide.name, "spots": len(slide)} for slide in slides],
            "genes": len(genes),
            "cells": None if cells is None else {"name": cells.name, "cells": len(cells)},
            "seed": seed,
            "folds": [list(names) for names in folds],
            "chance": 1.0 / len(slides),
            "notes": notes,
            "qc_probe": slide_probe(np.concatenate([qc_features(s) for s in slides]), labels, seed=seed)._asdict(),
            "kruskal_wallis": {
                "fdr": FDR,
                "genes": len(genes),
                "significant": int((test.q <= FDR).sum()),
                "median_effect": float(np.median(test.effect)),
                "top": [
                    {"gene": genes[i], "effect": test.effect[i], "statistic": test.statistic[i], "q": test.q[i]}
                    for i in order[:TOP_GENES]
                ],
            },
            "removal": _removal(slides, folds, order, rows[RAW], seed),
            "gene_moran": _gene_moran(encoders[CORAL], splits),
            "principal_angles": _angles(slides, seed),
            "rows": rows,
            "cell_gaps": gaps,
        },
        pictures,
        labels,
    )


def _split(slides: Sequence[Slide], names: Sequence[str]) -> tuple[list[Slide], list[Slide]]:
    """The slides left out, and the others."""
    return [slide for slide in slides if slide.name in names], [slide for slide in slides if slide.name not in names]


def _row(channels: int, records: Sequence[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    fitted, *folds = records
    return {
        "channels": channels,
        "fitted": fitted,
        "folds": folds,
        "summary": {
            "fitted": summary([fitted], [names]),
            "held_out": summary(folds, [fold["held_out"] for fold in folds]),
        },
    }


def _fitted_row(
    row: FittedRow, record: dict[str, Any], seen: Sequence[Slide], unseen: Sequence[Slide]
) -> dict[str, Any]:
    return {
        "channels": row.encoder.out_channels,
        "fitted": record if seen else None,
        "folds": [record] if unseen else [],
        "summary": {
            "fitted": summary([record], [[slide.name for slide in seen]]),
            "held_out": summary([record], [[slide.name for slide in unseen]]),
        },
    }


def _gene_moran(
    aligned: Sequence[Encoder], splits: Sequence[tuple[list[Slide], list[Slide]]]
) -> dict[str, dict[str, float]]:
    """Mean over all slides of the fit to all, and mean over the folds of the slides left out."""
    (_, slides), *folds = splits
    held_out = [gene_moran(encoder, train, unseen) for encoder, (unseen, train) in zip(aligned[1:], folds, strict=True)]
    return {
        "fitted": gene_moran(aligned[0], slides, slides),
        "held_out": {kind: float(np.mean([fold[kind] for fold in held_out])) for kind in held_out[0]},
    }


def _removal(
    slides: Sequence[Slide], folds: Sequence[Sequence[str]], order: IntArray, raw: dict[str, Any], seed: int
) -> list[dict[str, Any]]:
    """Slide probe of the raw PCA without the genes that differ most between all slides (the fit sees the training ones)."""
    genes = slides[0].genes
    labels = slide_labels(slides)
    found = [{"removed": 0, **{kind: raw["summary"][kind]["probe"] for kind in ("fitted", "held_out")}}]

    def probe(kept: Sequence[Slide], names: Sequence[str]) -> float:
        encoder = fit_pooled(_split(kept, names)[1], 50)
        return slide_probe(np.concatenate([encoder.encode(s).numpy() for s in kept]), labels, seed=seed).accuracy

    for count in (count for count in REMOVED if count <= len(genes) // 2):
        rest = [genes[i] for i in np.sort(order[count:])]
        kept = [slide.subset_genes(rest) for slide in slides]
        held_out = float(np.mean([probe(kept, names) for names in folds]))
        found.append({"removed": count, "fitted": probe(kept, ()), "held_out": held_out})
    return found


def _angles(slides: Sequence[Slide], seed: int) -> dict[str, Any]:
    angles = slide_subspace_angles([normalize_expression(s).toarray() for s in on_variable_genes(slides)], seed=seed)
    return {
        "components": angles.degrees.shape[2],
        "degrees": angles.degrees,
        "mean_degrees": angles.degrees.mean(axis=2),
        "halves": angles.halves,
    }


def _thinned(slide: Slide, seed: int, notes: list[str]) -> Slide:
    if len(slide) <= MAX_SPOTS:
        return slide
    notes.append(f"{slide.name}: {MAX_SPOTS} of {len(slide)} spots, drawn by the seed, stand for the slide.")
    return slide.select(np.sort(np.random.default_rng(seed).choice(len(slide), MAX_SPOTS, replace=False)))

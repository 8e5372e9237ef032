"""Every embedding of a batch-effect report, scored on the slides it was fitted on and on slides it never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import Encoder
from pyg_gears.encoders.centering import center, normalize_expression
from pyg_gears.encoders.domain_gap import domain_gap
from pyg_gears.encoders.genes import variable_genes
from pyg_gears.encoders.single_cell_adapter import SCAdapter
from pyg_gears.lab.batch_effect.aligned import AlignedEncoder
from pyg_gears.lab.batch_effect.embedding_scores import embedding_scores
from pyg_gears.lab.batch_effect.neighbor_mixing import neighbor_mixing
from pyg_gears.lab.batch_effect.pooled_pca import PooledPCAEncoder
from pyg_gears.lab.batch_effect.slide_probe import slide_probe
from pyg_gears.metrics import morans_i
from pyg_gears.typing import FloatArray, IntArray

MORAN_GENES = 50
GAP_SAMPLE = 1000


def scored_record(
    encoder: Encoder, slides: Sequence[Slide], held_out: Sequence[str], clusters: IntArray, seed: int
) -> dict[str, Any]:
    """Everything about one encoder on these slides: numbers of all slides together, then of each slide."""
    xs = [encoder.encode(slide) for slide in slides]
    scores = embedding_scores(xs, slides, clusters, seed=seed)
    per_slide = {
        slide.name: {**agreement._asdict(), "norm": norm, "moran": embedding_moran(slide, x)}
        for slide, x, agreement, norm in zip(slides, xs, scores.agreement, scores.norms, strict=True)
    }
    return {
        "held_out": list(held_out),
        "probe": scores.probe._asdict(),
        "probe_squares": scores.probe_squares._asdict(),
        "within_cluster": scores.within_cluster._asdict(),
        "mixing": scores.mixing._asdict(),
        "norm_ratio": scores.norm_ratio,
        "slides": per_slide,
    }


def summary(records: Sequence[Mapping[str, Any]], names: Sequence[Sequence[str]]) -> dict[str, float] | None:
    """Mean of the records' numbers, those of single slides over the named slides of each record; None without any."""
    chosen = [(record, some) for record, some in zip(records, names, strict=True) if some]
    if not chosen:
        return None
    together = {
        "probe": np.mean([record["probe"]["accuracy"] for record, _ in chosen]),
        "probe_squares": np.mean([record["probe_squares"]["accuracy"] for record, _ in chosen]),
        "within_cluster": np.mean([record["within_cluster"]["accuracy"] for record, _ in chosen]),
        "entropy": np.mean([record["mixing"]["entropy"] for record, _ in chosen]),
        "ilisi": np.mean([record["mixing"]["ilisi"] for record, _ in chosen]),
        "norm_ratio": np.mean([record["norm_ratio"] for record, _ in chosen]),
    }
    slides = [record["slides"][name] for record, some in chosen for name in some]
    alone = {
        key: np.mean([scores[key] for scores in slides]) for key in ("overlap", "recall", "mean_distance", "moran")
    }
    return {key: float(value) for key, value in (together | alone).items()}


def embedding_moran(slide: Slide, x: Tensor) -> float:
    r"""Moran's I of an embedding as a whole: that of its channels, weighted by their variance."""
    values = x.double().numpy()
    weight = values.var(axis=0)
    assert slide.pos is not None
    moran = np.nan_to_num(morans_i(slide.pos, values))
    return float((weight * moran).sum() / max(weight.sum(), 1e-300))


def gene_moran(aligned: Encoder, train: Sequence[Slide], slides: Sequence[Slide]) -> dict[str, float]:
    """Mean Moran's I of the 50 most variable genes on some slides, before and after each correction.

    CORAL acts on 50 components; what it adds to them is added to the genes they are made of, X + (H' - H) V^T.

    Args:
        aligned: CORAL over a pooled PCA, fitted on the training slides.
        train: The training slides; the genes are chosen on them.
        slides: The slides to measure.
    """
    assert isinstance(aligned, AlignedEncoder)
    base = aligned.base
    assert isinstance(base, PooledPCAEncoder)
    names = variable_genes([slide.subset_genes(base.genes) for slide in train], MORAN_GENES)
    position = {gene: i for i, gene in enumerate(base.genes)}
    columns = [position[gene] for gene in names]
    found: dict[str, list[float]] = {"raw": [], "centred": [], "z-scored": [], "CORAL": []}
    for slide in slides:
        # Normalised before the genes are chosen: the library size is that of all genes.
        expression = normalize_expression(slide.subset_genes(base.genes))[:, columns]
        raw = expression.toarray().astype(np.float64)
        change = (aligned.encode(slide) - base.encode(slide)).double() @ base.components[columns].double().T
        versions = (
            raw,
            center(expression, zscore=False),
            center(expression, zscore=True),
            raw + base.scale * change.numpy(),
        )
        for values, version in zip(found.values(), versions, strict=True):
            assert slide.pos is not None
            values.append(_mean_known(morans_i(slide.pos, version)))
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def cell_gaps(
    encoder: Encoder, train: Sequence[Slide], unseen: Sequence[Slide], cells: Slide, seed: int, steps: int
) -> dict[str, Any]:
    """Cells against spots before and after an adapter that is fitted on half of the cells and the training spots.

    All numbers are of the other half of the cells: ``fitted`` against the training spots, ``held_out`` against the unseen
    slides (None without one), ``floor`` of one half of the training spots against the other.
    """
    x, spots = encoder.encode(cells), torch.cat([encoder.encode(slide) for slide in train])
    generator = torch.Generator().manual_seed(seed)
    order, shuffled = torch.randperm(len(x), generator=generator), torch.randperm(len(spots), generator=generator)
    half, middle = len(x) // 2, len(spots) // 2
    adapter = SCAdapter.fit(x[order[:half]], spots, steps=steps, seed=seed)
    others = x[order[half:]]

    def gaps(against: Tensor) -> dict[str, Any]:
        return {
            "before": gap_numbers(others, against, seed),
            "after": gap_numbers(adapter(others), against, seed),
        }

    return {
        "fitted": gaps(spots),
        "held_out": gaps(torch.cat([encoder.encode(slide) for slide in unseen])) if unseen else None,
        "floor": gap_numbers(spots[shuffled[:middle]], spots[shuffled[middle:]], seed),
    }


def mean_gap(gaps: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean over folds of ``before`` and ``after``."""
    return {
        when: {key: float(np.mean([gap[when][key] for gap in gaps])) for key in gaps[0][when]}
        for when in ("before", "after")
    }


def gap_numbers(cells_x: Tensor, spots_x: Tensor, seed: int) -> dict[str, float]:
    """How far cells lie from spots: :func:`~pyg_gears.encoders.domain_gap.domain_gap`, a linear probe, and mixing.

    Probe and mixing are of equal numbers of cells and spots, drawn by the seed.
    """
    gap = domain_gap(cells_x, spots_x, seed=seed)
    count = min(len(cells_x), len(spots_x), GAP_SAMPLE)
    generator = torch.Generator().manual_seed(seed)
    both = torch.cat([x[torch.randperm(len(x), generator=generator)[:count]] for x in (cells_x, spots_x)])
    label = np.repeat([0, 1], count)
    return {
        "probe": slide_probe(both.numpy(), label, seed=seed).accuracy,
        # An encoder that centres every slide gives both the same means, to which a linear probe is blind.
        "probe_squares": slide_probe(torch.cat([both, both.square()], dim=1).numpy(), label, seed=seed).accuracy,
        "mmd": gap.mmd,
        "coral": gap.coral,
        "covariance": gap.covariance,
        **neighbor_mixing(both, label, seed=seed)._asdict(),
    }


def _mean_known(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")

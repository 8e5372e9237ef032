"""The embeddings that a batch-effect report compares, each as a name and a way to fit it on slides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.base import Encoder
from pyg_gears.encoders.centering import Normalization
from pyg_gears.encoders.component_encoder import ComponentEncoder
from pyg_gears.encoders.genes import variable_genes
from pyg_gears.lab.encoders.aligned import AlignedEncoder
from pyg_gears.lab.encoders.harmony import harmonize
from pyg_gears.lab.encoders.pooled_pca import PooledPCAEncoder
from pyg_gears.lab.encoders.zscored_pca import ZScoredPCAEncoder

FitEncoder: TypeAlias = Callable[[Sequence[Slide]], Encoder]
Jointly: TypeAlias = Callable[[Sequence[Tensor]], Sequence[Tensor]]

GENES = 3000
RAW, CENTRED, ZSCORED, CORAL = "raw PCA-50", "centred PCA-50", "z-scored PCA-50", "CORAL PCA-50"
CORRECTIONS = (RAW, CENTRED, ZSCORED, CORAL)
"""Rows that differ in the correction alone."""


class ComparisonRow(NamedTuple):
    """An embedding to compare.

    Attributes:
        name: Name in tables and figures.
        fit: From training slides to an encoder. It must use no other slide, so that leaving slides out means something.
        adapt: Whether to compare cells with spots in this embedding, before and after an adapter.
        jointly: A correction that reads the encoded slides all at once, those that the encoder has not seen too; None without.
    """

    name: str
    fit: FitEncoder
    adapt: bool = False
    jointly: Jointly | None = None


class FittedRow(NamedTuple):
    """An encoder that is fitted already, and the names of the slides that it was fitted on."""

    name: str
    encoder: Encoder
    seen: frozenset[str]


def comparison_rows(seed: int = 0) -> tuple[ComparisonRow, ...]:
    """Without correction, four corrections, the smooth components, and a random projection as the floor.

    Every row reads the 3000 genes that vary most over its training slides, as log1p of counts per 10,000; the smooth components
    read counts per 1000, which keeps the noise of rare genes low.

    Args:
        seed: Seed of the random projection.
    """
    return (
        ComparisonRow(RAW, partial(fit_pooled, count=50), adapt=True),
        ComparisonRow(CENTRED, partial(fit_pca, count=50, kind="pca"), adapt=True),
        ComparisonRow(ZSCORED, partial(fit_zscored, count=50)),
        ComparisonRow(CORAL, fit_coral),
        ComparisonRow("centred PCA-20", partial(fit_pca, count=20, kind="pca")),
        ComparisonRow("z-scored PCA-20", partial(fit_zscored, count=20)),
        ComparisonRow("spatial-20", partial(fit_pca, count=20, kind="spatial", target_sum=1000.0), adapt=True),
        ComparisonRow("random-20", partial(fit_random, count=20, seed=seed)),
    )


def harmony_row(seed: int = 0) -> ComparisonRow:
    """Fifty components of the pooled slides, corrected by Harmony on all slides at once.

    On a slide left out, only the components have not seen it.

    Args:
        seed: Seed of Harmony's clusters.
    """
    return ComparisonRow("Harmony PCA-50", partial(fit_pooled, count=50), jointly=partial(harmonize, seed=seed))


def fit_pooled(slides: Sequence[Slide], count: int) -> PooledPCAEncoder:
    """Components of the pooled slides, uncorrected."""
    return PooledPCAEncoder.fit(on_variable_genes(slides), n_components=count)


def fit_coral(slides: Sequence[Slide]) -> AlignedEncoder:
    """Fifty components of the pooled slides, aligned afterwards."""
    return AlignedEncoder.fit(fit_pooled(slides, 50), slides)


def fit_pca(slides: Sequence[Slide], count: int, kind: str, target_sum: float = 1e4) -> ComponentEncoder:
    """Components of slides that are each centred by themselves."""
    normalization = Normalization(target_sum)
    return ComponentEncoder.fit(
        on_variable_genes(slides, normalization), n_components=count, kind=kind, normalization=normalization
    )


def fit_zscored(slides: Sequence[Slide], count: int) -> ZScoredPCAEncoder:
    """Principal components of slides that are each z-scored by themselves."""
    return ZScoredPCAEncoder.fit(on_variable_genes(slides), n_components=count)


def fit_random(slides: Sequence[Slide], count: int, seed: int) -> ComponentEncoder:
    """Centred expression on random directions: what an encoder gives before it has learned anything."""
    kept = on_variable_genes(slides)
    generator = torch.Generator().manual_seed(seed)
    genes = kept[0].genes
    directions = torch.randn(len(genes), count, generator=generator) / len(genes) ** 0.5
    untrained = ComponentEncoder(genes, directions, 1.0, Normalization(), depth=0.0)
    scale = torch.cat([untrained.encode(slide) for slide in kept]).square().mean().sqrt().item()
    return ComponentEncoder(genes, directions, max(scale, 1e-12), Normalization(), depth=0.0)


def on_variable_genes(slides: Sequence[Slide], normalization: Normalization | None = None) -> list[Slide]:
    """The slides on the genes whose normalised expression varies most over them."""
    genes = variable_genes(slides, GENES, normalization)
    return [slide.subset_genes(genes) for slide in slides]

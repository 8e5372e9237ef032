"""A soft map of cells onto spots, fitted to the spots' expression: a rival of the kind of Tangram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pyg_gears.baselines.rivals import Layout, RegressionOutput, consensus, reference_places
from pyg_gears.data.slide import Slide, shared_genes
from pyg_gears.encoders import variable_genes
from pyg_gears.errors import expect
from pyg_gears.seeds import check_seed, torch_stream

LR = 0.1
MAX_GENES = 2000
MAX_ENTRIES = 50_000_000
"""Cells times spots of one slide: 25 bytes each were measured (map, gradient, softmax, Adam's two moments): 1.3 GB."""


class SoftMapOutput(NamedTuple):
    """Layouts that a soft map gives.

    Attributes:
        expected: Mean place of each cell under its weights, in the gauge, shape (n, 2).
        best: Place of the spot of largest weight, in the gauge, shape (n, 2). With one reference cells lie on its spots, with
            several on the mean of one spot of each.
        similarity: Mean of gene-wise and spot-wise cosine reached on each reference, in [0, 1].
    """

    expected: Layout
    best: Layout
    similarity: tuple[float, ...]


def soft_map(references: Sequence[Slide], query: Slide, *, steps: int = 500, seed: int = 0) -> SoftMapOutput:
    r"""Place cells by a map onto spots under which the cells' expression adds up to that of the spots.

    With counts S of the cells and Y of the spots on the shared genes,

    .. math::
        M = \operatorname{softmax}_{spots}(A), \quad \hat Y = M^T S, \quad
        L = -\tfrac1g \sum_k \cos(\hat Y_{\cdot k}, Y_{\cdot k}) - \tfrac1s \sum_v \cos(\hat Y_{v \cdot}, Y_{v \cdot}),

    minimised over A by Adam (step size 0.1) from standard normal values. Counts are used as they are: a spot is the sum of its
    cells in counts, and not in their roots or logarithms. With several references each gets a map of its own; the layouts are
    brought together by similarity Procrustes (mirrors allowed) and averaged.

    A map has no notion of neighbours or of cells that are not in the spots. Where the spots were made of these very cells it
    recognises each cell in its own spot; how much of a layout's quality is that is seen by cells that are in no spot.

    Args:
        references: Slides with coordinates.
        query: Cells to lay out; its coordinates, if any, are not used.
        steps: Steps of Adam for each reference, at least 1.
        seed: Seed of the first A.

    Returns:
        The layouts. Time and memory grow with cells times spots: 25 bytes for each pair, so 1.3 GB at the limit of 50 million.

    Raises:
        InputError: without a reference, for one without coordinates or with all of them at one point, without shared genes, for
            more than 50 million pairs of a cell and a spot, less than one step, or a seed that is no whole number of at least 0.

    Source: Biancalani et al., Deep learning and alignment of spatially resolved single-cell transcriptomes with Tangram, 2021.
        We weigh both cosines alike, where its default is the gene-wise one alone, and have no terms of density and entropy.
        Of more than 2000 shared genes the most variable ones are used.
    """
    check_seed(seed)
    expect(steps >= 1, f"expected at least one step, found {steps}; raise steps.")
    positions = reference_places(references)
    for slide in references:
        expect(
            len(slide) * len(query) <= MAX_ENTRIES,
            f"expected at most {MAX_ENTRIES} pairs of a cell and a spot in a soft map, found {len(query)} x {len(slide)}; "
            "lay out fewer cells at a time.",
        )
    genes = shared_genes([*references, query])
    slides = [slide.subset_genes(genes) for slide in references]
    chosen = variable_genes(slides, MAX_GENES)
    cells = torch.from_numpy(query.subset_genes(chosen).counts.toarray())
    expected, best, similarity = [], [], []
    for number, (slide, pos) in enumerate(zip(slides, positions, strict=True)):
        spots = torch.from_numpy(slide.subset_genes(chosen).counts.toarray())
        weights, reached = fit_map(cells, spots, torch_stream(seed, "soft map", number), steps=steps)
        expected.append(RegressionOutput(weights.double().numpy() @ pos, reached))
        best.append(RegressionOutput(pos[_largest(weights)], reached))
        similarity.append(reached)
    return SoftMapOutput(consensus(expected), consensus(best), tuple(similarity))


def map_similarity(
    cells: Float[Tensor, "n g"], spots: Float[Tensor, "s g"], weights: Float[Tensor, "n s"]
) -> Float[Tensor, ""]:
    """Mean gene-wise plus mean spot-wise cosine of the mapped expression with that of the spots, in [0, 2] for counts."""
    mapped = weights.T @ cells
    by_gene = torch.nn.functional.cosine_similarity(mapped, spots, dim=0)
    by_spot = torch.nn.functional.cosine_similarity(mapped, spots, dim=1)
    return by_gene.mean() + by_spot.mean()


def fit_map(
    cells: Float[Tensor, "n g"],
    spots: Float[Tensor, "s g"],
    generator: torch.Generator,
    *,
    steps: int = 500,
    elsewhere: bool = False,
) -> tuple[Float[Tensor, "n s"], float]:
    """Weights of cells on spots under which :func:`map_similarity` is largest.

    Args:
        cells: Counts of the cells, shape (n, g).
        spots: Counts of the spots, shape (s, g).
        generator: Draws the logits that Adam starts from.
        steps: Steps of Adam.
        elsewhere: Whether cells may be in no spot: the softmax then has one column more, which adds to no spot and is not
            returned, so that rows sum to at most 1 instead of 1.

    Returns:
        The weights, shape (n, s), and half of the similarity reached, in [0, 1].
    """
    logits = torch.randn(len(cells), len(spots) + elsewhere, generator=generator).requires_grad_()
    adam = torch.optim.Adam([logits], lr=LR)
    for _ in range(steps):
        adam.zero_grad(set_to_none=True)
        (-map_similarity(cells, spots, logits.softmax(dim=1)[:, : len(spots)])).backward()
        adam.step()
    with torch.no_grad():
        weights = logits.softmax(dim=1)[:, : len(spots)]
        return weights, map_similarity(cells, spots, weights).item() / 2


def _largest(weights: Float[Tensor, "n s"]) -> Int[np.ndarray, " n"]:
    return weights.argmax(dim=1).numpy()

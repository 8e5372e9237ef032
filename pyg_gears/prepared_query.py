"""Cells between expression and layout: what is left of a query when its counts are no longer needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float

from pyg_gears.data import Slide
from pyg_gears.data.io.given import Given, given_cells, given_slides
from pyg_gears.encoders import DomainGap, readable_cells
from pyg_gears.errors import expect
from pyg_gears.layout import (
    LayoutSettings,
    WeightedLayout,
    adapt_query,
    embed_query,
    own_components,
    paired_genes,
    votes_at_a_time,
)
from pyg_gears.layout.memory import BLOCK, held_memory
from pyg_gears.seeds import check_seed, child_seed

if TYPE_CHECKING:
    from pyg_gears.fitted_gears import FittedGears


@dataclass(frozen=True)
class PreparedQuery:
    """Cells as the structure models take them, with all that was to be learned from their counts.

    Attributes:
        x: Embedding of the cells that have counts in the model's genes, adapted if ``adapted``, shape (n, c).
        own: Components of the cells' own expression, shape (n, d); None where near neighbours are not refined.
        regressions: Layouts by regression, which vote.
        confidence: Before regressions and layout are compared, shape (n,).
        kept: Which of the given cells these are, shape (m,).
        gap: How far they lie from the training spots, before any adapter.
        adapted: Whether they went through an adapter.
        signal: Share of the training spots' signal that the features hold, in [0, 1].
        depth: Mean trust in their number of counts, in [0, 1].
        paired: Cells and spots of one piece of tissue, by which the layout is corrected.
        settings: Settings of the layout.
        seed: Seed of the layout.
        max_memory: The most that the process may hold.
    """

    x: Float[torch.Tensor, "n c"]
    own: Float[torch.Tensor, "n d"] | None
    regressions: tuple[WeightedLayout, ...]
    confidence: Float[np.ndarray, " n"]
    kept: Bool[np.ndarray, " m"]
    gap: DomainGap
    adapted: bool
    signal: float
    depth: float
    paired: tuple[Slide, Slide] | None
    settings: LayoutSettings
    seed: int
    max_memory: str | float | None


def prepare_query(
    fitted: FittedGears,
    cells: Given,
    *,
    settings: LayoutSettings | None,
    seed: int,
    adapt: str,
    paired: Given | None,
    max_memory: str | float | None,
) -> PreparedQuery:
    """Embed cells and do all else that takes their counts; see :meth:`FittedGears.prepare`.

    Raises:
        InputError: as :meth:`FittedGears.prepare`.
    """
    check_seed(seed)
    expect(
        settings is None or isinstance(settings, LayoutSettings),
        f"expected settings as LayoutSettings, found {type(settings).__name__}; make them with LayoutSettings(...).",
    )
    settings = settings or LayoutSettings()
    # A pair of cells and spots is compared in all genes that the two share.
    cells = given_cells(cells, None if paired is not None else fitted.encoder.genes)
    if max_memory is not None:
        freed = 0 if paired is not None else cells.counts.data.nbytes + cells.counts.indices.nbytes
        block_of_votes(fitted, max_memory, len(cells), settings, held=max(held_memory() - freed, 0))
    spots = None if paired is None else given_slides([paired])[0]
    if spots is not None:
        paired_genes(cells, spots)
    query, kept, share = readable_cells(cells, fitted.encoder.genes, fitted.training_genes)
    pair = None if spots is None else (cells.select(kept), spots)
    del cells
    depth_ratio = fitted.encoder.depth_ratio(query)
    embedded, gap, borrowed = embed_query(
        fitted.encoder, query, fitted.support.features, depth_ratio=depth_ratio, seed=child_seed(seed, "gap")
    )
    x, adapted = adapt_query(
        embedded.x,
        torch.cat(fitted.support.x),
        gap,
        fitted.adapter,
        depth_ratio=depth_ratio,
        adapt=adapt,
        seed=child_seed(seed, "adapter"),
    )
    # Missing genes shorten the features as well: the lower of the two, so that their loss does not count twice.
    signal = min(fitted.support.signal(embedded.features), share)
    genes = fitted.training_genes
    depth = np.ones(len(x)) if genes is None else genes.trust(fitted.encoder.depths(query))
    return PreparedQuery(
        x=x,
        own=own_components(query) if settings.refinement_rounds else None,
        regressions=() if fitted.regressions is None else tuple(fitted.regressions.layouts(query, x, borrow=borrowed)),
        confidence=fitted.calibration.predict(fitted.support.scatter(x)) * signal * depth,
        kept=kept,
        gap=gap,
        adapted=adapted,
        signal=signal,
        depth=float(depth.mean()),
        paired=pair,
        settings=settings,
        seed=seed,
        max_memory=max_memory,
    )


def block_of_votes(
    fitted: FittedGears, max_memory: str | float | None, n: int, settings: LayoutSettings, held: int | None = None
) -> int:
    """Votes to work on at a time, so that a layout of n cells keeps to a bound of memory.

    Raises:
        InputError: where that is not possible.
    """
    if max_memory is None:
        return BLOCK
    regressions = () if fitted.regressions is None else (fitted.regressions.knn, fitted.regressions.kernel_ridge)
    voters = len(fitted.members) * settings.samples + sum(one is not None for one in regressions)
    return votes_at_a_time(max_memory, n, settings, voters, held)

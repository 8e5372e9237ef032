"""Which genes an encoder reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyg_gears.data.slide import Slide
from pyg_gears.encoders.centering import Normalization, gene_statistics, normalize_expression
from pyg_gears.errors import expect
from pyg_gears.geometry.checked_sizes import check_sizes


def variable_genes(
    slides: Sequence[Slide], count: int | None, normalization: Normalization | None = None
) -> tuple[str, ...]:
    """The genes with the largest variance of normalised expression, averaged over the slides, in the slides' own order.

    Args:
        slides: Training slides on the same genes; held-out slides must not be among them.
        count: Number of genes to keep; all when there are fewer, or for None.
        normalization: How counts are normalised.

    Returns:
        Gene names.

    Raises:
        InputError: without a slide, or for a number of genes below 1.
    """
    expect(len(slides) > 0, "expected at least one training slide, found none; pass the slides to fit on.")
    if count is None:
        return slides[0].genes
    check_sizes(count=count)
    variance = np.mean(
        [gene_statistics(normalize_expression(slide, normalization)).std ** 2 for slide in slides], axis=0
    )
    chosen = np.sort(np.argsort(-variance, kind="stable")[:count])
    return tuple(slides[0].genes[i] for i in chosen)

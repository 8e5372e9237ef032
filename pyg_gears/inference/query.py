"""The embedding of cells to lay out: encoded, brought to the training spots if asked, and compared with them."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from pyg_gears._checks import expect, nearest_name
from pyg_gears.encoders import DomainGap, SCAdapter, domain_gap

ADAPTATIONS = ("auto", "none", "match")
MIN_CELLS = 100


class QueryEmbedding(NamedTuple):
    """Cells as the structure model reads them.

    Attributes:
        x: Embedding, adapted where ``adapted`` says so, shape (n, c).
        gap: How far the embedding lay from the training spots before any adapter.
        adapted: Whether an adapter was applied.
    """

    x: Float[Tensor, "n c"]
    gap: DomainGap
    adapted: bool


def adapt_query(
    x: Float[Tensor, "n c"],
    spots: Float[Tensor, "m c"],
    adapter: SCAdapter | None,
    *,
    adapt: str = "auto",
    seed: int = 0,
) -> QueryEmbedding:
    """Apply the adapter that is asked for, and warn when cells without one lie far from the training spots.

    Args:
        x: Embedding of the cells as the encoder gives it, shape (n, c).
        spots: Embeddings of the training spots, shape (m, c); they stay as they are.
        adapter: The adapter fitted with the model, if any.
        adapt: "auto" (the model's adapter where there is one), "none", or "match" (a new one, fitted to these cells).
        seed: Seed of the comparison and of a new adapter.

    Returns:
        The embedding, the gap, and whether it was adapted.

    Raises:
        InputError: for another ``adapt``.
    """
    expect(
        adapt in ADAPTATIONS,
        f"expected adapt among {', '.join(ADAPTATIONS)}, found {adapt!r}{nearest_name(adapt, ADAPTATIONS)}; name one.",
    )
    gap = domain_gap(x, spots, seed=seed)
    if adapt == "match":
        adapter = SCAdapter.fit(x, spots, seed=seed)
    elif adapt == "none":
        adapter = None
    if adapter is not None:
        return QueryEmbedding(adapter(x), gap, True)
    if gap.far and len(x) >= MIN_CELLS:
        warnings.warn(
            f"these cells lie far from the training spots (covariance {gap.covariance:.2f}, MMD {gap.mmd:.3f}): expect little "
            "of the layout unless they are of the same tissue; fit with --cells, or reconstruct with --adapt match.",
            stacklevel=3,
        )
    return QueryEmbedding(x, gap, False)

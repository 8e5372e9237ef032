"""The embedding of cells to lay out, adapted to the training spots where that is asked for or needed."""

from __future__ import annotations

import warnings
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from pyg_gears.encoders import DomainGap, SCAdapter
from pyg_gears.errors import expect, nearest_name

ADAPTATIONS = ("auto", "none", "match")
MIN_CELLS = 100


class QueryEmbedding(NamedTuple):
    """Embedding of the cells, as the structure model takes it.

    Attributes:
        x: Embedding, adapted if ``adapted``, shape (n, c).
        adapted: Whether an adapter was applied.
    """

    x: Float[Tensor, "n c"]
    adapted: bool


def adapt_query(
    x: Float[Tensor, "n c"],
    spots: Float[Tensor, "m c"],
    gap: DomainGap,
    adapter: SCAdapter | None,
    *,
    adapt: str = "auto",
    fitted_with_cells: bool = False,
    seed: int = 0,
) -> QueryEmbedding:
    """Apply the adapter that is asked for, and warn when cells without one lie far from the training spots.

    An adapter does not improve the layout where none is needed: on sections of the same assay the layouts lost 0.01 to 0.07 of
    their rank correlation by it (one gained 0.06). "auto" therefore does not adapt cells that lie near the training spots.

    Args:
        x: Embedding of the cells as the encoder gives it, shape (n, c).
        spots: Embeddings of the training spots, shape (m, c); they stay as they are.
        gap: How far the cells lie from the training spots; fewer than 100 cells are never far.
        adapter: The adapter fitted with the model, if any.
        adapt: "auto" (the model's adapter, for far cells), "none", or "match" (a new one, fitted to these cells).
        fitted_with_cells: Whether the model was fitted with cells: to fit with them is then no advice.
        seed: Seed of a new adapter.

    Returns:
        The embedding, and whether it was adapted.

    Raises:
        InputError: for another ``adapt``.
    """
    expect(
        adapt in ADAPTATIONS,
        f"expected adapt among {', '.join(ADAPTATIONS)}, found {adapt!r}{nearest_name(adapt, ADAPTATIONS)}; name one.",
    )
    if adapt == "match":
        return QueryEmbedding(SCAdapter.fit(x, spots, seed=seed)(x), True)
    far = gap.far and len(x) >= MIN_CELLS
    if far and adapt == "auto" and adapter is not None:
        return QueryEmbedding(adapter(x), True)
    if far:
        match = 'reconstruct with --adapt match (adapt="match")'
        if adapter is not None:
            advice = f"leave out --adapt none, or {match}"
        else:
            advice = match if fitted_with_cells else f"fit with them (pyg-gears fit ... --cells CELLS), or {match}"
        warnings.warn(
            f"these cells lie far from the training spots (covariance {gap.covariance:.2f}, MMD {gap.mmd:.3f}): expect little "
            f"of the layout unless they are of the same tissue; {advice}.",
            stacklevel=3,
        )
    return QueryEmbedding(x, False)

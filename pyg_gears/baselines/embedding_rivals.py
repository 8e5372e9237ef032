"""Layouts by regression on an embedding that is there already: rivals that cost next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from pyg_gears.baselines.rivals import Layout, RegressionOutput, block_skill, consensus, knn, ridge, spatial_blocks
from pyg_gears.errors import expect
from pyg_gears.metrics.layout_pair import in_gauge
from pyg_gears.seeds import check_seed

REGRESSIONS = {"knn_regression": knn, "ridge": ridge}


def embedding_rivals(
    references: Sequence[tuple[Float[np.ndarray, "m c"], Layout]], query: Float[np.ndarray, "n c"], *, seed: int = 0
) -> dict[str, Layout]:
    """Lay the query out by kNN regression and by ridge regression of coordinates on the embedding.

    As in :func:`~pyg_gears.baselines.simple_rivals` each reference has a regression of its own, in its gauge, and the layouts
    are averaged by their skill on blocks left out. The embedding is given, where the simple rivals have their own PCA.

    Args:
        references: Embedding (m, c), of about unit mean square, and coordinates (m, 2) of each training slide.
        query: Embedding of the cells to lay out, shape (n, c).
        seed: Seed of the blocks.

    Returns:
        "knn_regression" and "ridge" -> layout in the gauge, shape (n, 2).

    Raises:
        InputError: without a reference, for one with all coordinates at one point, or a seed that is no whole number of at
            least 0.
    """
    check_seed(seed)
    expect(len(references) > 0, "expected at least one reference, found none; pass its embedding and coordinates.")
    for number, (_, pos) in enumerate(references):
        expect(
            bool((pos != pos[0]).any()),
            f"expected reference positions that differ, found all of reference {number} at one point; check the coordinates.",
        )
    found: dict[str, list[RegressionOutput]] = {name: [] for name in REGRESSIONS}
    for x, pos in references:
        y = in_gauge(pos)
        blocks = spatial_blocks(y, seed=seed) if len(references) > 1 else []
        for name, regression in REGRESSIONS.items():
            skill = block_skill(regression, x, y, blocks) if blocks else 1.0
            found[name].append(RegressionOutput(regression(len(y)).fit(x, y).predict(query), skill))
    return {name: consensus(outputs) for name, outputs in found.items()}

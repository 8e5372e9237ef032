"""Warnings about a layout that shows batches: cells of one batch lie together more than chance has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from pyg_gears.geometry import nearest_neighbors

if TYPE_CHECKING:
    from pandas import DataFrame

BATCH_KEYS = (
    "batch",
    "sample",
    "sample_id",
    "library_id",
    "donor",
    "donor_id",
    "patient",
    "orig.ident",
    "plate",
    "lane",
)
NEIGHBORS = 15
MAX_BATCHES = 50
TOGETHER = 0.3
"""Share of the way from chance (0) to complete separation (1) from which a warning is given; a convention of ours."""


def batch_warnings(obs: DataFrame, pos: Float[np.ndarray, "n 2"]) -> list[str]:
    r"""One sentence for each column of batches whose cells lie apart in the layout.

    .. math:: s = \frac{\bar p - \sum_b f_b^2}{1 - \sum_b f_b^2} \ge 0.3

    with :math:`\bar p` the mean share of a cell's 15 nearest neighbours that are of its own batch and f the share of each
    batch. Different pieces of tissue in different batches lie apart for good reason.

    Args:
        obs: Columns of the cells.
        pos: Their layout, finite.
    """
    if len(pos) <= NEIGHBORS:
        return []
    near = None
    warnings = []
    for column in obs.columns:
        if str(column).lower() not in BATCH_KEYS or not 2 <= obs[column].nunique() <= MAX_BATCHES:
            continue
        if near is None:
            near = nearest_neighbors(torch.from_numpy(pos), NEIGHBORS).index.numpy()
        batch = np.unique(obs[column].astype(str), return_inverse=True)[1]
        own = float((batch[near] == batch[:, None]).mean())
        chance = float(((np.bincount(batch) / len(batch)) ** 2).sum())
        if own - chance >= TOGETHER * (1 - chance):
            warnings.append(
                f"Cells of one batch lie together (obs[{str(column)!r}]: {own:.0%} of the {NEIGHBORS} nearest cells are of a "
                f"cell's own batch, {chance:.0%} by chance). Unless the batches are different pieces of tissue, the layout "
                "shows batches; lay them out one by one and compare."
            )
    return warnings

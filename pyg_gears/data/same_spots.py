"""Whether two tables hold the same spots: one of them in two files, before and after it was filtered, is found by it."""

from __future__ import annotations

import numpy as np

from pyg_gears.data.slide import Slide

SAMPLE = 100


def same_spots(one: Slide, other: Slide) -> bool:
    """Whether half of the spots or cells of the smaller table, or more, are in the other.

    They are the same where their names are, and, of 100 of them, half or more have counts that agree in all shared genes.

    Args:
        one: A slide or cells.
        other: Another.
    """
    places = {cell: row for row, cell in enumerate(other.cells)}
    rows = np.array([(row, places[cell]) for row, cell in enumerate(one.cells) if cell in places])
    genes = {gene: column for column, gene in enumerate(other.genes)}
    columns = np.array([(column, genes[gene]) for column, gene in enumerate(one.genes) if gene in genes])
    if 2 * len(rows) < min(len(one), len(other)) or not len(columns):
        return False
    rows = np.random.default_rng(0).permutation(rows)[:SAMPLE]
    here, there = (
        table.counts[rows[:, side]][:, columns[:, side]].toarray() for side, table in enumerate((one, other))
    )
    same = (here == there).all(axis=1) & here.any(axis=1)
    return bool(2 * same.sum() >= len(rows))

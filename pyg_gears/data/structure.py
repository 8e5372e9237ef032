"""``Structure``: a table whose structure has been checked, from which slides or cells are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyg_gears.data.counts import read_counts
from pyg_gears.data.read_options import ReadOptions
from pyg_gears.data.slide import MIN_CELLS, MIN_GENES, MIN_SPOTS, Slide, check_cells, check_slide
from pyg_gears.data.source import Source
from pyg_gears.errors import expect


class Structure(NamedTuple):
    """A table whose structure has been checked: the names in it, and where its spots lie.

    Attributes:
        source: The table.
        options: How it is understood.
        genes: Names of its genes.
        cells: Names of all its spots or cells.
        pos: Positions of the spots as they are stored; None for cells.
    """

    source: Source
    options: ReadOptions
    genes: tuple[str, ...]
    cells: tuple[str, ...]
    pos: np.ndarray | None

    def read(self) -> list[Slide]:
        """The slides, or the cells (without positions) as one, with their counts."""
        slide = Slide(self.source.name, read_counts(self.source), self.genes, self.cells, self.pos)
        (check_cells if self.pos is None else check_slide)(slide)
        return [slide]


def check_structure(source: Source, options: ReadOptions, *, spatial: bool) -> Structure:
    """Check that a table has enough cells and genes and, for slides, positions; its counts are not read.

    Args:
        source: The table.
        options: How it is understood.
        spatial: Whether it must hold slides, or may be cells, whose positions are not read.

    Raises:
        InputError: for a table that is not what it should be.
    """
    name = source.name
    cells, genes = source.row_names("obs"), source.row_names("var")
    pos = None
    if spatial:
        tables = source.keys("obsm")
        expect(
            "spatial" in tables,
            f"{name}: expected positions in obsm['spatial'], found {sorted(tables)}; add them (spots x 2).",
        )
        pos = np.asarray(source.read("obsm/spatial"))
    least, what = (MIN_SPOTS, "spots") if spatial else (MIN_CELLS, "cells")
    expect(len(cells) >= least, f"{name}: expected at least {least} {what}, found {len(cells)}; use a larger sample.")
    expect(len(genes) >= MIN_GENES, f"{name}: expected at least {MIN_GENES} genes, found {len(genes)}; keep more.")
    return Structure(source, options, genes, cells, pos)

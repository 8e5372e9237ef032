"""``Structure``: a table whose structure has been checked, from which slides or cells are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pyg_gears.data.cell_draw import cell_draw
from pyg_gears.data.io.anndata_source import AnnDataSource
from pyg_gears.data.io.counts import read_counts, table_key
from pyg_gears.data.io.gene_features import gene_features
from pyg_gears.data.io.gene_names import check_gene_index, gene_names
from pyg_gears.data.io.on_tissue import rows_on_tissue
from pyg_gears.data.io.placed_rows import placed_rows
from pyg_gears.data.io.positions import read_positions
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.data.io.sections import Section, split_sections
from pyg_gears.data.io.several_sections import refuse_several_sections
from pyg_gears.data.io.source import Source
from pyg_gears.data.slide import (
    MIN_CELLS,
    MIN_GENES,
    MIN_SPOTS,
    Slide,
    check_places,
    check_slide,
    check_unique,
)
from pyg_gears.errors import expect
from pyg_gears.typing import FloatArray, IntArray


class Structure(NamedTuple):
    """A table whose structure has been checked: the names in it, and where its spots lie.

    Attributes:
        source: The table.
        options: How it is understood.
        features: Its features that are genes; None for all.
        genes: Names of the genes.
        cells: Names of all its spots or cells.
        sections: Its sections and their rows; of cells there is one.
        pos: Positions of all spots, float64 (n, 2); None for cells.
    """

    source: Source
    options: ReadOptions
    features: IntArray | None
    genes: tuple[str, ...]
    cells: tuple[str, ...]
    sections: tuple[Section, ...]
    pos: FloatArray | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the slides: that of the table, with the section's value where there are several."""
        name = self.source.name
        return tuple(f"{name}_{one.suffix}" if one.suffix else name for one in self.sections)

    def narrow(self, genes: Sequence[str]) -> Structure:
        """The same table of those of its genes that are among ``genes``, in the order of these."""
        places = {gene: i for i, gene in enumerate(self.genes)}
        kept = np.array([places[gene] for gene in genes if gene in places])
        features = kept if self.features is None else self.features[kept]
        return self._replace(features=features, genes=tuple(self.genes[i] for i in kept))

    def draw(self, seed: int) -> Structure:
        """Of a table of cells, those that join a fit (:func:`~pyg_gears.data.cell_draw.cell_draw`)."""
        return self._replace(sections=(Section("", cell_draw(len(self.cells), seed)),))

    def read(self) -> list[Slide]:
        """The slides, or the cells (without positions) as one, with their counts."""
        rows = np.concatenate([section.rows for section in self.sections])
        counts = read_counts(self.source, self.options.layer, rows, self.features)
        # The matrix of an object in memory is the caller's; that of a file, or of some genes, is ours.
        shared = self.features is None and isinstance(self.source, AnnDataSource)
        slides, start = [], 0
        for name, section in zip(self.names, self.sections, strict=True):
            stop = start + len(section.rows)
            cells = tuple(self.cells[row] for row in section.rows)
            pos = None if self.pos is None else self.pos[section.rows]
            part = counts if len(rows) == stop - start else counts[start:stop]
            slides.append(Slide(name, part, self.genes, cells, pos, copy=part is counts and shared))
            if pos is not None:
                check_slide(slides[-1])
            start = stop
        return slides


def check_structure(source: Source, options: ReadOptions, *, spatial: bool) -> Structure:
    """Check that a table has enough cells and genes and, for slides, positions; its counts are not read.

    Spots off the tissue or without a position are left out, and the sections of the rest are told apart.

    Args:
        source: The table.
        options: How it is understood.
        spatial: Whether it must hold slides, or may be cells, whose positions are not read.

    Raises:
        InputError: for a table that is not what it should be.
    """
    name = source.name
    cells = source.row_names("obs")
    key = table_key(source, options.layer)
    genes, features = gene_names(source, options.gene_column, key), gene_features(source, key)
    if features is not None:
        genes = tuple(genes[feature] for feature in features)
    if options.gene_column is None:
        check_gene_index(source, genes, key)
    least, what = (MIN_SPOTS, "spots") if spatial else (MIN_CELLS, "cells")
    expect(len(cells) >= least, f"{name}: expected at least {least} {what}, found {len(cells)}; use a larger sample.")
    expect(len(genes) >= MIN_GENES, f"{name}: expected at least {MIN_GENES} genes, found {len(genes)}; keep more.")
    if not spatial:
        check_unique(name, genes, cells)
        return Structure(source, options, features, genes, cells, (Section("", np.arange(len(cells))),), None)
    pos, rows = read_positions(source, options.spatial_key), rows_on_tissue(source)
    expect(
        len(pos) == len(cells),
        f"{name}: expected {len(cells)} positions, found {len(pos)}; give one row per spot.",
    )
    rows = placed_rows(name, pos, rows)
    check_places(name, pos[rows])
    if options.section_key is None:
        refuse_several_sections(source, rows, pos[rows])
        sections = [Section("", rows)]
    else:
        sections = split_sections(source, options.section_key, rows)
    found = Structure(source, options, features, genes, cells, tuple(sections), pos)
    for slide, section in zip(found.names, sections, strict=True):
        check_places(slide, pos[section.rows])
        check_unique(slide, genes, [cells[row] for row in section.rows])
    return found

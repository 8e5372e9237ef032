"""Cells as a fitted encoder can read them: on all of its genes, and with counts in them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from pyg_gears.data.cell_differences import check_cells_differ
from pyg_gears.data.counted import counted
from pyg_gears.data.lacking_genes import MAX_LACKING, check_lacking
from pyg_gears.data.slide import MIN_CELLS, Slide
from pyg_gears.encoders.gene_completion import TrainingGenes, complete_genes
from pyg_gears.errors import expect


class ReadableOutput(NamedTuple):
    """Cells on all genes of the model.

    Attributes:
        cells: Those that have counts in them.
        kept: Which of the given cells these are, shape (n,).
        measured: Share of the training spots' variance that lies in genes that were measured.
    """

    cells: Slide
    kept: Bool[np.ndarray, " n"]
    measured: float


def readable_cells(cells: Slide, genes: Sequence[str], training: TrainingGenes | None) -> ReadableOutput:
    """Leave out cells without a count, and complete those genes that the cells lack; each with a warning.

    Args:
        cells: Any cells.
        genes: The model's genes.
        training: What the training spots hold of them; None for a model that does not know.

    Raises:
        InputError: when a tenth of the genes is missing (any of them without ``training``), fewer than 3 cells have counts, or
            all cells are alike.
    """
    check_lacking(cells.name, cells.genes, genes, allowed=0.0 if training is None else MAX_LACKING)
    known = set(cells.genes)
    measured = [gene for gene in genes if gene in known]
    found, kept = counted(cells.subset_genes(measured))
    expect(
        len(found) >= MIN_CELLS,
        f"{cells.name}: expected at least {MIN_CELLS} cells with counts in the {len(genes)} genes of the model, found "
        f"{len(found)} of {len(cells)}; check X (raw counts), or fit again with --cells CELLS.",
    )
    check_cells_differ(found)
    if len(found) < len(cells):
        warnings.warn(
            f"{len(cells) - len(found)} of {len(cells)} cells have no count in the {len(genes)} genes of the model: they get "
            "no place (NaN) and confidence 0.",
            stacklevel=3,
        )
    if len(measured) == len(genes):
        return ReadableOutput(found, kept, 1.0)
    assert training is not None
    completed = complete_genes(found, genes, training)
    lost = completed.missing
    warnings.warn(
        f"{cells.name} lacks {len(lost)} of the {len(genes)} genes of the model (for instance {', '.join(lost[:3])}): they "
        f"are completed by the training spots' mean, and confidence is lowered, as they hold {1 - completed.kept:.1%} of the "
        "training spots' variance.",
        stacklevel=3,
    )
    return ReadableOutput(completed.cells, kept, completed.kept)

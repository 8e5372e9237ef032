"""What a fit is made from: genes, and the spots of both sides of the split that have counts in them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

from pyg_gears.data import Slide, SlidePart, check_cells, check_slide, shared_genes, split_slides
from pyg_gears.data.cell_differences import check_cells_differ
from pyg_gears.data.counted import counted
from pyg_gears.data.slide import MIN_CELLS, MIN_SPOTS
from pyg_gears.data.splits import MIN_BLOCK
from pyg_gears.encoders import variable_genes
from pyg_gears.errors import expect
from pyg_gears.seeds import child_seed
from pyg_gears.training.recipe import Recipe

BLOCK = 0.2


class Parts(NamedTuple):
    """Slides and cells on the genes that the encoder will read, without spots that have no count in them.

    Attributes:
        genes: The genes, in the encoder's order.
        train: Parts that training may use.
        held_out: Parts for early stopping and confidence.
        cells: Cells without positions, if there are any.
        blocks: Whether a block of each slide is held out, rather than a whole slide.
    """

    genes: tuple[str, ...]
    train: tuple[SlidePart, ...]
    held_out: tuple[SlidePart, ...]
    cells: Slide | None
    blocks: bool

    @property
    def slides(self) -> list[Slide]:
        """All slides, whole, in their order."""
        found = {part.slide_id: part.slide for part in (*self.train, *self.held_out)}
        return [found[number] for number in sorted(found)]

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [slide.name for slide in self.slides]


def choose_parts(recipe: Recipe, slides: Sequence[Slide], cells: Slide | None, held_out: str | None) -> Parts:
    """Split the slides, choose genes, and leave out spots and cells without a count, with a warning of their number.

    Genes are shared by all slides (and the cells), the most variable ones over the training spots: no held-out spot decides.

    Args:
        recipe: ``embedding.genes``, the normalisation and the seed are used.
        slides: Slides with positions.
        cells: Cells without positions.
        held_out: Name of the slide held out; if ``None``, a spatial block of each slide.

    Raises:
        InputError: when too few spots or cells have counts, or all of a side are alike.
    """
    files = [*slides, cells] if cells is not None else list(slides)
    common = shared_genes(files)
    # By the shared genes first, so that a spot without any of them has no influence on split and choice of genes.
    shared = [counted(file.subset_genes(common)).slide for file in files]
    for file, left in zip(files, shared, strict=True):
        _check_left(file, left)
    split = split_slides(
        shared[: len(slides)], held_out, fraction=BLOCK, seed=child_seed(recipe.training.seed, "split")
    )
    chosen = recipe.embedding
    genes = variable_genes([part.spots for part in split.train], chosen.genes, chosen.normalization)
    train, kept_out = (tuple(_on_genes(part, genes) for part in side) for side in (split.train, split.held_out))
    query = None if cells is None else counted(shared[-1].subset_genes(genes)).slide
    by_id = {part.slide_id: part.slide for part in (*train, *kept_out)}
    final = [by_id[number] for number in range(len(slides))] + ([] if query is None else [query])
    for file, rest in zip(files, final, strict=True):
        _check_left(file, rest)
    for part in (*train, *kept_out):
        size = int(part.inside.sum())
        expect(
            size >= MIN_BLOCK // 2,
            f"{part.slide.name}: expected at least {MIN_BLOCK // 2} spots with counts on each side of the split, found {size}; "
            "use a larger section, or name a slide to hold out.",
        )
        check_cells_differ(part.spots, "spots")
    if query is not None:
        check_cells_differ(query)
    dropped = [
        f"{file.name} {len(file) - len(rest)} of {len(file)}"
        for file, rest in zip(files, final, strict=True)
        if len(rest) < len(file)
    ]
    if dropped:
        warnings.warn(
            f"spots or cells without a count in the {len(genes)} genes that the model reads are left out of the fit: "
            f"{', '.join(dropped)}.",
            stacklevel=3,
        )
    return Parts(genes, train, kept_out, query, split.blocks)


def _on_genes(part: SlidePart, genes: Sequence[str]) -> SlidePart:
    slide, kept = counted(part.slide.subset_genes(genes))
    return part._replace(slide=slide, inside=part.inside[kept])


def _check_left(file: Slide, left: Slide) -> None:
    """The checks of a file, once more for those of its spots that have counts."""
    if len(left) == len(file):
        return
    least, what = (MIN_SPOTS, "spots") if file.pos is not None else (MIN_CELLS, "cells")
    expect(
        len(left) >= least,
        f"{file.name}: expected at least {least} {what} with counts in the genes of the fit, found {len(left)} of "
        f"{len(file)}; use a larger sample, or files that share more genes.",
    )
    (check_slide if file.pos is not None else check_cells)(left)

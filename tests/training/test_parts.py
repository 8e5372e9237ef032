from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
import torch

from pyg_gears.data import Slide
from pyg_gears.errors import InputError
from pyg_gears.training.parts import choose_parts
from pyg_gears.training.preparation import prepare


def emptied(slide: Slide, rows: list[int], genes: slice = slice(None)) -> Slide:
    """The slide with some spots that have no count in some genes."""
    counts = slide.counts.toarray()
    for row in rows:
        counts[row, genes] = 0
    return dataclasses.replace(slide, counts=counts)


def without(slide: Slide, rows: list[int]) -> Slide:
    return slide.select(np.setdiff1d(np.arange(len(slide)), rows))


def uniform(slide: Slide, profile: np.ndarray) -> Slide:
    """All spots with one profile, at different depths."""
    depth = 1 + np.arange(len(slide)) % 3
    return dataclasses.replace(slide, counts=np.outer(depth, profile).astype(np.float32))


@pytest.mark.parametrize("held_out", [True, False])
def test_empty_spots_and_cells_leave_the_fit_as_if_they_had_not_been_there(tiny_recipe, tissue, held_out) -> None:
    slides, cells = list(tissue.slides[:2]), tissue.cells
    name = slides[1].name if held_out else None
    rows = [0, 3, len(slides[0]) - 1]
    with pytest.warns(UserWarning, match=r"left out of the fit: slide_0 3 of \d+, cells 2 of \d+\.") as heard:
        found = prepare(tiny_recipe, [emptied(slides[0], rows), slides[1]], emptied(cells, [1, 2]), name, None)
    assert [str(w.message).startswith("spots or cells without a count") for w in heard].count(True) == 1
    other = prepare(tiny_recipe, [without(slides[0], rows), slides[1]], without(cells, [1, 2]), name, None)
    assert found.encoder.genes == other.encoder.genes
    for a, b in zip((found.train, found.validation), (other.train, other.validation), strict=True):
        for one, two in zip(a.slides, b.slides, strict=True):
            assert torch.equal(one.x, two.x)
            assert torch.equal(one.pos, two.pos)


def test_spots_that_are_empty_in_the_chosen_genes_alone_are_left_out_too(tiny_recipe, tissue) -> None:
    recipe = tiny_recipe.change({"embedding": {"genes": 20}})
    slides = list(tissue.slides)
    genes = choose_parts(recipe, slides, None, slides[2].name).genes
    columns = [slides[0].genes.index(gene) for gene in genes]
    counts = slides[0].counts.toarray()
    counts[5, columns] = 0
    with pytest.warns(UserWarning, match=r"in the 20 genes that the model reads are left out of the fit: slide_0 1 of"):
        parts = choose_parts(recipe, [dataclasses.replace(slides[0], counts=counts), *slides[1:]], None, slides[2].name)
    assert len(parts.train[0].slide) == len(slides[0]) - 1 == len(parts.train[0].inside)
    assert parts.names == [slide.name for slide in slides]


def test_too_few_spots_with_counts_are_refused(tiny_recipe, tissue) -> None:
    slide, cells = tissue.slides[0], tissue.cells
    with pytest.raises(
        InputError, match=rf"slide_0: expected at least 30 spots with counts .*found 29 of {len(slide)}"
    ):
        choose_parts(tiny_recipe, [emptied(slide, list(range(len(slide) - 29)))], None, None)
    with pytest.raises(InputError, match=rf"cells: expected at least 3 cells with counts .*found 2 of {len(cells)}"):
        choose_parts(tiny_recipe, [slide], emptied(cells, list(range(len(cells) - 2))), None)


def test_few_spots_with_counts_on_one_side_of_the_split_are_refused(tiny_recipe, tissue, monkeypatch) -> None:
    monkeypatch.setattr("pyg_gears.training.parts.MIN_BLOCK", 2000)
    with pytest.raises(InputError, match="expected at least 1000 spots with counts on each side of the split"):
        choose_parts(tiny_recipe, [tissue.slides[0]], None, None)


def test_files_without_any_difference_are_refused(tiny_recipe, tissue) -> None:
    slide, other, cells = tissue.slides[0], tissue.slides[1], tissue.cells
    profile = np.arange(len(slide.genes)) % 5
    one_gene = (np.arange(len(slide.genes)) == 3).astype(int)
    for alike in (profile, one_gene):
        for slides in ([uniform(slide, alike)], [other, uniform(slide, alike)]):
            with pytest.raises(InputError, match=r"slide_0: expected spots that differ, found \d+ with the same"):
                choose_parts(tiny_recipe, slides, None, slides[-1].name if len(slides) > 1 else None)
        with pytest.raises(InputError, match=r"cells: expected cells that differ, found \d+ with the same"):
            choose_parts(tiny_recipe, [slide], uniform(cells, alike), None)


def test_one_spot_that_differs_is_enough(tiny_recipe, tissue) -> None:
    counts = uniform(tissue.cells, np.ones(len(tissue.cells.genes))).counts.toarray()
    counts[4, 0] += 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        choose_parts(
            tiny_recipe, tissue.slides, dataclasses.replace(tissue.cells, counts=counts), tissue.slides[2].name
        )

"""Slides and cells as a caller may give them in Python: paths, AnnData, ``Slide``, a list or a mapping of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from pyg_gears.data import cells_from_anndata, read_cells, slide_from_anndata
from pyg_gears.data.cell_draw import cell_draw
from pyg_gears.data.io.anndata_in import read_named_slide
from pyg_gears.data.io.named_path import NamedPath, named_path, named_paths
from pyg_gears.data.slide import Slide, check_cells, check_slide
from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData

Given: TypeAlias = "Slide | AnnData | FilePath"
"""One slide, or cells: a ``Slide``, an AnnData (in memory, backed, or a view; it is never changed) or an ``.h5ad`` file."""


def given_slides(slides: Iterable[Given] | Mapping[str, Given]) -> list[Slide]:
    """The slides of a list, or of a mapping from their names.

    Args:
        slides: A file is named by its stem (files that share it also by the folders that tell them apart), an AnnData "slide_0",
            "slide_1", ... by its place; a mapping names all of them.

    Raises:
        InputError: for anything else, none, a slide that is given twice, or one that cannot be used.
    """
    from anndata import AnnData

    remedy = "pass a list of AnnData, paths or Slide, or a dict of them by name"
    single = isinstance(slides, AnnData | Slide | str | os.PathLike)
    expect(
        not single,
        f"expected a list of slides, found one {type(slides).__name__} alone; put it into a list, [slide].",
    )
    # Rows of a table would pass for slides.
    table = hasattr(slides, "shape") or hasattr(slides, "columns")
    expect(
        isinstance(slides, Iterable) and not table and not isinstance(slides, bytes),
        f"expected a list of slides, found {_kind(slides)}; {remedy}.",
    )
    if isinstance(slides, Mapping):
        named: list[tuple[str | None, Any]] = [(str(name), slide) for name, slide in slides.items()]
    else:
        named = [(None, slide) for slide in slides]
    expect(len(named) > 0, f"expected at least one slide, found none; {remedy}.")
    check_once([slide for _, slide in named])
    files = iter(named_paths([slide for _, slide in named if isinstance(slide, str | os.PathLike)]))
    return [
        _slide(next(files) if isinstance(slide, str | os.PathLike) else slide, name, number)
        for number, (name, slide) in enumerate(named)
    ]


def check_once(slides: Sequence[Given]) -> None:
    """Check that no slide is given twice, be it under two names: held out, it would have been trained on.

    Raises:
        InputError: for the same object, or the same file.
    """
    first: dict[object, tuple[int, Given]] = {}
    for number, slide in enumerate(slides):
        path = slide if isinstance(slide, str | os.PathLike) else None
        key = id(slide) if path is None else named_path(path).path.resolve()
        place, other = first.setdefault(key, (number, slide))
        expect(
            place == number,
            f"expected every slide once, found the same {f'file as {other} and as {slide}' if path else 'one'} in places "
            f"{place} and {number}; leave one out.",
        )


def given_cells(cells: Given, genes: Sequence[str] | None = None, *, fit_seed: int | None = None) -> Slide:
    """Cells, of which coordinates are not read.

    Args:
        cells: A file is named by its stem, an AnnData "cells".
        genes: Genes of a model, to read these alone from a file or an AnnData; all if omitted.
        fit_seed: Seed of a fit, for only the cells that join it, at most 20,000; all if omitted.

    Raises:
        InputError: for anything else, or cells that cannot be used.
    """
    from anndata import AnnData

    if isinstance(cells, Slide):
        check_cells(cells)
        rows = None if fit_seed is None else cell_draw(len(cells), fit_seed)
        return cells if rows is None or len(rows) == len(cells) else cells.select(rows)
    if isinstance(cells, str | os.PathLike):
        return read_cells(cells, genes=genes, fit_seed=fit_seed)
    expect(
        isinstance(cells, AnnData),
        f"expected cells as an AnnData, a path or a Slide, found {_kind(cells)}; pass one of these.",
    )
    assert isinstance(cells, AnnData)
    return cells_from_anndata(cells, "cells", genes=genes, fit_seed=fit_seed)


def _slide(slide: Any, name: str | None, number: int) -> Slide:
    from anndata import AnnData

    if isinstance(slide, AnnData):
        return slide_from_anndata(slide, name or f"slide_{number}")
    if isinstance(slide, Slide):
        check_slide(slide)
        found = slide
    elif isinstance(slide, NamedPath):
        return read_named_slide(slide if name is None else NamedPath(name, slide.path))
    else:
        raise InputError(
            f"expected slides as AnnData, paths or Slide, found {_kind(slide)} in place {number}; pass one of these."
        )
    return found if name is None else replace(found, name=name, copy=False)


def _kind(value: object) -> str:
    shape = getattr(value, "shape", None)
    name = "nothing (None)" if value is None else type(value).__name__
    return name if shape is None else f"{name} of shape {tuple(shape)}"

"""Slides and cells from AnnData, in files and in memory: one interpretation for both, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Unpack

from pyg_gears.data.io.anndata_source import AnnDataSource
from pyg_gears.data.io.named_path import NamedPath, named_path
from pyg_gears.data.io.open_source import open_source
from pyg_gears.data.io.read_options import ReadChoices, ReadOptions
from pyg_gears.data.io.source import Source
from pyg_gears.data.io.structure import check_structure
from pyg_gears.data.lacking_genes import check_lacking
from pyg_gears.data.slide import Slide, check_cells
from pyg_gears.errors import expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData

DEFAULT = ReadOptions()


class H5adSummary(NamedTuple):
    """What a file holds, read without its counts.

    Attributes:
        name: Name of the table.
        genes: Names of its genes.
        slides: Names of the slides in it: one for each section; for cells their name.
    """

    name: str
    genes: tuple[str, ...]
    slides: tuple[str, ...]


@contextmanager
def named_source(path: FilePath | NamedPath) -> Iterator[Source]:
    """The table in a file, open while the block runs.

    Args:
        path: A file, or ``NAME=path`` to name what is read; by default its stem is the name.

    Raises:
        InputError: for a file that is missing, damaged or of another format, or a name that cannot be part of a file's.
    """
    name, file_path = path if isinstance(path, NamedPath) else named_path(path)
    with open_source(file_path, name) as source:
        yield source


def read_slides(path: FilePath, options: ReadOptions = DEFAULT, **choices: Unpack[ReadChoices]) -> list[Slide]:
    """Read the sections of a file: raw counts, names and positions (n x 2).

    Args:
        path: An ``.h5ad`` file; its stem becomes the name of the slide, or NAME if it is written ``NAME=path``.
        options: How the file is understood.
        **choices: The fields of ``ReadOptions`` by name, instead.

    Returns:
        The checked slides: one, unless ``section_key`` parts the file into several, then named ``stem_section``.

    Raises:
        InputError: when the file is not usable.
    """
    with named_source(path) as source:
        return check_structure(source, replace(options, **choices), spatial=True).read()


def read_slide(path: FilePath, options: ReadOptions = DEFAULT, **choices: Unpack[ReadChoices]) -> Slide:
    """Read a file that is one section, as ``read_slides`` does.

    Raises:
        InputError: when the file is not a usable slide.
    """
    return _one(read_slides(path, options, **choices))


def read_named_slide(path: NamedPath) -> Slide:
    """Read a file that is one section under a name that was chosen for it.

    Raises:
        InputError: when the file is not a usable slide.
    """
    with named_source(path) as source:
        return _one(check_structure(source, DEFAULT, spatial=True).read())


def read_cells(
    path: FilePath,
    options: ReadOptions = DEFAULT,
    *,
    genes: Sequence[str] | None = None,
    fit_seed: int | None = None,
    **choices: Unpack[ReadChoices],
) -> Slide:
    """Read dissociated cells: counts and names only. Coordinates in the file, if any, are never read.

    Dense tables and sparse ones that are stored by rows (csr) are read block by block: with ``genes``, no more is held than
    the counts of these.

    Args:
        path: An ``.h5ad`` file.
        options: How the file is understood; sections and positions play no role.
        genes: Genes of a model, to read these alone, in this order, as far as the file has them; all genes if omitted.
        fit_seed: Seed of a fit, to read only the cells that join it, at most 20,000; all if omitted.
        **choices: The fields of ``ReadOptions`` by name, instead.

    Returns:
        The cells as a slide with ``pos=None``.

    Raises:
        InputError: when the file has no usable counts, or lacks a tenth of ``genes``.
    """
    with named_source(path) as source:
        return _cells(source, replace(options, **choices), genes, fit_seed)


def slides_from_anndata(
    adata: AnnData, name: str, options: ReadOptions = DEFAULT, **choices: Unpack[ReadChoices]
) -> list[Slide]:
    """The same as ``read_slides`` for an ``AnnData`` in memory, which is not changed."""
    return check_structure(_in_memory(adata, name), replace(options, **choices), spatial=True).read()


def slide_from_anndata(
    adata: AnnData, name: str, options: ReadOptions = DEFAULT, **choices: Unpack[ReadChoices]
) -> Slide:
    """The same as ``read_slide`` for an ``AnnData`` in memory."""
    return _one(slides_from_anndata(adata, name, options, **choices))


def cells_from_anndata(
    adata: AnnData,
    name: str,
    options: ReadOptions = DEFAULT,
    *,
    genes: Sequence[str] | None = None,
    fit_seed: int | None = None,
    **choices: Unpack[ReadChoices],
) -> Slide:
    """The same as ``read_cells`` for an ``AnnData`` in memory or backed: coordinates in it are not read."""
    return _cells(_in_memory(adata, name), replace(options, **choices), genes, fit_seed)


def check_h5ad(
    path: FilePath, options: ReadOptions = DEFAULT, *, spatial: bool, **choices: Unpack[ReadChoices]
) -> H5adSummary:
    """Check a file by its structure alone, in milliseconds and without its counts.

    Args:
        path: The file.
        options: How the file is understood.
        spatial: Whether it must be a slide (positions, 30 spots) or may be cells.
        **choices: The fields of ``ReadOptions`` by name, instead.

    Returns:
        Names.

    Raises:
        InputError: for a missing file, a file that is no AnnData, no or misshapen positions, too few spots or genes.
    """
    with named_source(path) as source:
        found = check_structure(source, replace(options, **choices), spatial=spatial)
        return H5adSummary(source.name, found.genes, found.names)


def _cells(source: Source, options: ReadOptions, genes: Sequence[str] | None, fit_seed: int | None) -> Slide:
    """Cells, or those of a fit, on those genes of a model that the table has."""
    table = check_structure(source, options, spatial=False)
    if fit_seed is not None:
        table = table.draw(fit_seed)
    if genes is None:
        cells = table.read()[0]
        check_cells(cells)
        return cells
    check_lacking(source.name, table.genes, genes)
    return table.narrow(genes).read()[0]


def _in_memory(adata: AnnData, name: str) -> AnnDataSource:
    from anndata import AnnData

    expect(
        isinstance(adata, AnnData),
        f"expected an AnnData, found {type(adata).__name__}; read a file with read_slides or read_cells.",
    )
    return AnnDataSource(adata, name)


def _one(slides: list[Slide]) -> Slide:
    expect(
        len(slides) == 1,
        f"expected one section, found {len(slides)} ({', '.join(slide.name for slide in slides)}); "
        "read them with read_slides or slides_from_anndata.",
    )
    return slides[0]

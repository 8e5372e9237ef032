"""Several files that are opened once: all are checked by their structure before the counts of any are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from pyg_gears.data.io.anndata_in import DEFAULT, named_source
from pyg_gears.data.io.named_path import named_paths
from pyg_gears.data.io.options_of_files import options_of_files
from pyg_gears.data.io.read_options import ReadOptions
from pyg_gears.data.io.structure import Structure, check_structure
from pyg_gears.data.slide import Slide
from pyg_gears.typing import FilePath


class FilesOutput(NamedTuple):
    """What the files hold: slides in the order of their paths and sections, and the cells, if there are any."""

    slides: list[Slide]
    cells: Slide | None


class CheckedFiles(NamedTuple):
    """Open files whose structure is checked; call it to read them.

    Attributes:
        slides: Files of slides.
        cells: File of cells, if there is one.
    """

    slides: list[Structure]
    cells: Structure | None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all slides, known before any is read."""
        return tuple(name for file in self.slides for name in file.names)

    def __call__(self, *, fit_seed: int | None = None) -> FilesOutput:
        """Read the counts.

        Args:
            fit_seed: Seed of a fit, to read only the cells that join it; all if omitted.
        """
        slides = [slide for file in self.slides for slide in file.read()]
        cells = self.cells if self.cells is None or fit_seed is None else self.cells.draw(fit_seed)
        return FilesOutput(slides, None if cells is None else cells.read()[0])


@contextmanager
def checked_files(
    slides: Sequence[FilePath], cells: FilePath | None = None, options: ReadOptions = DEFAULT
) -> Iterator[CheckedFiles]:
    """Open files, check their structure in milliseconds, and hand out what reads them while the block runs.

    Args:
        slides: ``.h5ad`` files of sections, each possibly written ``NAME=path``; others that share a name are told apart by their
            folders.
        cells: An ``.h5ad`` file of dissociated cells.
        options: How all files are understood.

    Raises:
        InputError: for the first file that is missing, damaged, or not what it should be.
    """
    with ExitStack() as stack:
        sections = [stack.enter_context(named_source(path)) for path in named_paths(slides)]
        query = None if cells is None else stack.enter_context(named_source(cells))
        each = options_of_files(options, sections, query)
        checked = [check_structure(source, one, spatial=True) for source, one in zip(sections, each, strict=False)]
        yield CheckedFiles(checked, None if query is None else check_structure(query, each[-1], spatial=False))


def read_files(
    slides: Sequence[FilePath], cells: FilePath | None = None, options: ReadOptions = DEFAULT
) -> FilesOutput:
    """Read several files, once all are checked.

    Raises:
        InputError: as :func:`checked_files`, or for counts that cannot be used.
    """
    with checked_files(slides, cells, options) as files:
        return files()

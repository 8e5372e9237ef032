"""Several files that are opened once: all are checked by their structure before the counts of any are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from pyg_gears.data.anndata_in import DEFAULT, named_source
from pyg_gears.data.read_options import ReadOptions
from pyg_gears.data.slide import Slide
from pyg_gears.data.structure import check_structure
from pyg_gears.typing import FilePath


class FilesOutput(NamedTuple):
    """What the files hold: slides in the order of their paths, and the cells, if there are any."""

    slides: list[Slide]
    cells: Slide | None


@contextmanager
def checked_files(
    slides: Sequence[FilePath], cells: FilePath | None = None, options: ReadOptions = DEFAULT
) -> Iterator[Callable[[], FilesOutput]]:
    """Open files, check their structure in milliseconds, and hand out a function that reads them.

    Args:
        slides: ``.h5ad`` files of sections.
        cells: An ``.h5ad`` file of dissociated cells.
        options: How all files are understood.

    Raises:
        InputError: for the first file that is missing, damaged, or not what it should be.
    """
    with ExitStack() as stack:
        sections = [check_structure(stack.enter_context(named_source(path)), options, spatial=True) for path in slides]
        query = None
        if cells is not None:
            query = check_structure(stack.enter_context(named_source(cells)), options, spatial=False)

        def read() -> FilesOutput:
            found = [slide for section in sections for slide in section.read()]
            return FilesOutput(found, None if query is None else query.read()[0])

        yield read

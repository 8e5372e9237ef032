"""Several files that are opened once: all are checked by their structure before the counts of any are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from pyg_gears.data.anndata_io import check_structure
from pyg_gears.data.open_h5ad import open_h5ad
from pyg_gears.data.slide import Slide
from pyg_gears.typing import FilePath


class FilesOutput(NamedTuple):
    """What the files hold: slides in the order of their paths, and the cells, if there are any."""

    slides: list[Slide]
    cells: Slide | None


@contextmanager
def checked_files(slides: Sequence[FilePath], cells: FilePath | None = None) -> Iterator[Callable[[], FilesOutput]]:
    """Open files, check their structure in milliseconds, and hand out a function that reads them.

    Args:
        slides: ``.h5ad`` files of sections.
        cells: An ``.h5ad`` file of dissociated cells.

    Raises:
        InputError: for the first file that is missing, damaged, or not what it should be.
    """
    with ExitStack() as stack:

        def checked(path: FilePath, *, spatial: bool) -> Callable[[], Slide]:
            return check_structure(path, stack.enter_context(open_h5ad(path)), spatial=spatial).read

        sections = [checked(path, spatial=True) for path in slides]
        query = None if cells is None else checked(cells, spatial=False)
        yield lambda: FilesOutput([read() for read in sections], None if query is None else query())

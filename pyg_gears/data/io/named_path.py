"""Paths that carry the name of what is read from them: ``NAME=path``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pyg_gears.data.slide import check_slide_name
from pyg_gears.errors import expect
from pyg_gears.typing import FilePath


class NamedPath(NamedTuple):
    """A path, and the name of what lies there."""

    name: str
    path: Path


def named_path(path: FilePath) -> NamedPath:
    """The name and the path of ``NAME=path``, or of a path alone, whose stem is the name.

    A file that exists under the whole text is that file, whatever signs its name holds. ``~`` is the home folder.

    Raises:
        InputError: for what is no path, or a name that cannot be part of a file's name.

    >>> named_path("left=data/section.h5ad").name, named_path("data/section.h5ad").name
    ('left', 'section')
    """
    expect(
        isinstance(path, str | os.PathLike),
        f"expected the path of a file, found {type(path).__name__}; pass text or a Path (what is in memory goes to "
        "slides_from_anndata or cells_from_anndata).",
    )
    text = os.path.expanduser(path)
    name, sign, rest = text.partition("=")
    named = bool(sign and rest) and "/" not in name and not os.path.lexists(text)
    found = NamedPath(name, Path(os.path.expanduser(rest))) if named else NamedPath(Path(text).stem, Path(text))
    check_slide_name(found.name)
    return found

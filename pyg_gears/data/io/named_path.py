"""Paths that carry the name of what is read from them: ``NAME=path``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pyg_gears.data.slide import check_slide_name
from pyg_gears.typing import FilePath


class NamedPath(NamedTuple):
    """A path, and the name of what lies there."""

    name: str
    path: Path


def named_path(path: FilePath) -> NamedPath:
    """The name and the path of ``NAME=path``, or of a path alone, whose stem is the name.

    A file that exists under the whole text is that file, whatever signs its name holds.

    Raises:
        InputError: for a name that cannot be part of a file's name.

    >>> named_path("left=data/section.h5ad").name, named_path("data/section.h5ad").name
    ('left', 'section')
    """
    text = os.fspath(path)
    name, sign, rest = text.partition("=")
    named = bool(sign and rest) and "/" not in name and not os.path.lexists(text)
    found = NamedPath(name, Path(rest)) if named else NamedPath(Path(text).stem, Path(text))
    check_slide_name(found.name)
    return found

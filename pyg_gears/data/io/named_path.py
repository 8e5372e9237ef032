"""Paths that carry the name of what is read from them: ``NAME=path``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from pyg_gears.data.io.default_name import default_name
from pyg_gears.data.slide import check_slide_name
from pyg_gears.errors import expect
from pyg_gears.typing import FilePath


class NamedPath(NamedTuple):
    """A path, and the name of what lies there."""

    name: str
    path: Path


def named_path(path: FilePath) -> NamedPath:
    """The name and the path of ``NAME=path``, or of a path alone, whose name is that of ``default_name``.

    A file that exists under the whole text is that file, whatever signs its name holds. ``~`` is the home folder.

    Raises:
        InputError: for what is no path, or a name that cannot be part of a file's name.

    >>> named_path("left=data/section.h5ad").name, named_path("data/section.h5ad").name
    ('left', 'section')
    """
    found = _given(path) or _alone(path)
    check_slide_name(found.name)
    return found


def named_paths(paths: Sequence[FilePath]) -> list[NamedPath]:
    """The names and paths of several slides; those that would share a name are told apart by the folders they lie in.

    The names of the nearest folders that differ go before the shared name, but never before one that was given as ``NAME=path``.

    Raises:
        InputError: as :func:`named_path`.

    >>> [slide.name for slide in named_paths(["a/outs/bins/8um", "b/outs/bins/8um", "a/outs/bins/16um"])]
    ['a_8um', 'b_8um', '16um']
    """
    found = [named_path(path) for path in paths]
    for name in {slide.name for slide in found}:
        same = [number for number, slide in enumerate(found) if slide.name == name]
        prefixes = _nearest_folders([found[number].path for number in same])
        for number, folders in zip(same, prefixes, strict=True):
            if _given(paths[number]) is None:
                found[number] = NamedPath("_".join([*folders, name]), found[number].path)
                check_slide_name(found[number].name)
    return found


def _nearest_folders(paths: Sequence[Path]) -> list[tuple[str, ...]]:
    """Of each path the names of those folders above it, from the nearest on, that are needed to tell it from the others."""
    whole = [Path(os.path.abspath(path)) for path in paths]
    above = [reversed((path.parent if path.name == "outs" else path).parts[1:-1]) for path in whole]
    needed: list[tuple[str, ...]] = [()] * len(paths)
    for level in zip_longest(*above):
        more = [(folder, *folders) if folder else folders for folder, folders in zip(level, needed, strict=True)]
        if len(set(more)) > len(set(needed)):
            needed = more
    return needed


def _given(path: FilePath) -> NamedPath | None:
    """What ``NAME=path`` says; None for a path alone."""
    text = _text(path)
    name, sign, rest = text.partition("=")
    named = bool(sign and rest) and "/" not in name and not os.path.lexists(text)
    return NamedPath(name, Path(os.path.expanduser(rest))) if named else None


def _alone(path: FilePath) -> NamedPath:
    return NamedPath(default_name(_text(path)), Path(_text(path)))


def _text(path: FilePath) -> str:
    expect(
        isinstance(path, str | os.PathLike),
        f"expected the path of a file, found {type(path).__name__}; pass text or a Path (what is in memory goes to "
        "slides_from_anndata or cells_from_anndata).",
    )
    return os.path.expanduser(path)

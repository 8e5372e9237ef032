"""The name of what lies at a path, where the caller gives none."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from pyg_gears.data.io.open_zarr import is_zarr, zarr_name
from pyg_gears.data.io.space_ranger import ranger_folder, ranger_name
from pyg_gears.typing import FilePath


def default_name(path: FilePath) -> str:
    """The stem of a file or store; the name of a folder of 10x Genomics, or of the parent of its ``outs``.

    Names are those that the path is written with: links are not followed.

    >>> default_name("data/section.h5ad")
    'section'
    """
    path = Path(path)
    if is_zarr(path) or (".zarr" in path.suffixes and path.is_file() and zipfile.is_zipfile(path)):
        return zarr_name(path)
    if ranger_folder(path) is not None:
        return ranger_name(path)
    return Path(os.path.abspath(path)).name if path.is_dir() else path.stem

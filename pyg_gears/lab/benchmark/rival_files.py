"""Layouts that other tools made of the same cells, read from their files and matched by the cells' names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pyg_gears.baselines.rivals import Layout
from pyg_gears.data.io.named_path import named_path
from pyg_gears.data.io.open_source import open_source
from pyg_gears.data.io.source import Source
from pyg_gears.errors import InputError, expect, nearest_name
from pyg_gears.metrics.layout_pair import MIN_CELLS

TEXT = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
TRUTH = ("spatial_true",)
"""Tables of ``obsm`` that are no prediction; see ``simulate``."""


class RivalFile:
    """A layout in a file: ``NAME=FILE``, or ``NAME=FILE:KEY`` where the file holds several.

    An ``.h5ad`` (or another format that slides are read from) has the layout in ``obsm[KEY]``, a CSV, TSV or tab-separated TXT
    file has the cells' names in its first column and the layout in the two columns KEY, as ``x,y``.

    Args:
        text: ``NAME=FILE`` or ``NAME=FILE:KEY``.

    Raises:
        InputError: for another text, a file that is missing or damaged, or holds no layout, or several and none is named.
    """

    def __init__(self, text: str) -> None:
        name, sign, rest = text.partition("=")
        path, colon, key = rest.rpartition(":")
        if not colon or Path(rest).exists():
            path, key = rest, ""
        expect(
            bool(sign and name and path),
            f"expected --rival NAME=FILE or NAME=FILE:KEY, found {text!r}; name the tool and its file.",
        )
        expect(Path(path).exists(), f"expected a layout of {name} at {path}, found none; check the path.")
        self.name = named_path(text).name
        self.cells, self.pos = (_from_text if Path(path).suffix in TEXT else _from_table)(name, Path(path), key)
        repeated = [cell for cell, times in Counter(self.cells).items() if times > 1]
        expect(
            not repeated,
            f"{name}: expected every cell once, found {len(repeated)} that repeat, for instance {repeated[:1]}; keep one place.",
        )

    def layout(self, cells: Sequence[str]) -> Layout:
        """Places of cells in their order, shape (n, 2); NaN for those that the file does not place.

        Raises:
            InputError: where fewer than 6 of them have a place.
        """
        row = {cell: i for i, cell in enumerate(self.cells)}
        index = np.array([row.get(cell, -1) for cell in cells])
        pos = np.where(index[:, None] >= 0, self.pos[index], np.nan)
        pos[~np.isfinite(pos).all(axis=1)] = np.nan
        placed = int((~np.isnan(pos).any(axis=1)).sum())
        expect(
            placed >= MIN_CELLS,
            f"{self.name}: expected places of the cells {', '.join(cells[:2])}, ..., found {placed} of {len(cells)} (its own are "
            f"{', '.join(self.cells[:2])}, ...); use the names of the cells that were to be placed.",
        )
        return pos


def _from_text(name: str, path: Path, key: str) -> tuple[list[str], Layout]:
    try:
        table = pd.read_csv(path, sep=TEXT[path.suffix], index_col=0, dtype={0: str})
    except (OSError, ValueError) as error:  # pandas' own errors of parsing are ValueErrors
        raise InputError(
            f"{name}: expected a table of cells in {path}, found {str(error).splitlines()[0]!r}; write cell,x,y."
        ) from None
    numeric = [str(column) for column in table.select_dtypes("number")]
    wanted = [part.strip() for part in key.split(",")] if key else numeric
    expect(
        len(wanted) == 2 and set(wanted) <= set(numeric),
        f"{name}: expected two columns of numbers in {path}, found {', '.join(numeric) or 'none'}; name two as {path}:x,y.",
    )
    return [str(cell) for cell in table.index], table[wanted].to_numpy(np.float64)


def _from_table(name: str, path: Path, key: str) -> tuple[list[str], Layout]:
    with open_source(path) as source:
        tables = [one for one in source.keys("obsm") if _is_planar(source, one) and (one not in TRUTH or one == key)]
        expect(
            key in tables if key else len(tables) == 1,
            f"{name}: expected one table of two columns in obsm of {path}, found {', '.join(tables) or 'none'}"
            f"{nearest_name(key, tables) if key else ''}; name one as {path}:KEY.",
        )
        values = source.read(f"obsm/{key or tables[0]}")
        return list(source.row_names("obs")), np.asarray(values, dtype=np.float64)


def _is_planar(source: Source, key: str) -> bool:
    shape = source.shape(f"obsm/{key}")
    return (np.shape(source.read(f"obsm/{key}")) if shape is None else shape)[1:] == (2,)

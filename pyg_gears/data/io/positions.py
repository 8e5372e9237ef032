"""Where the spots of a table lie: a table of ``obsm``, or two columns of ``obs``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_gears.data.io.obs_words import read_column
from pyg_gears.data.io.other_folders import CELLS, unprefixed
from pyg_gears.data.io.source import Source
from pyg_gears.data.io.space_ranger import ranger_folder
from pyg_gears.errors import InputError, argument, assigned, expect, nearest_name

TABLES = ("x_spatial", "spatial_coords", "spatial_coordinates", "coords", "coordinates", "xy", "xy_loc", "positions")
"""Names of positions in ``obsm`` other than "spatial", in lower case."""
COLUMNS = (
    ("x", "y"),
    ("x_centroid", "y_centroid"),
    ("pxl_col_in_fullres", "pxl_row_in_fullres"),
    ("imagecol", "imagerow"),
    ("center_x", "center_y"),
    ("centerx_global_px", "centery_global_px"),
    ("x_global_px", "y_global_px"),
    ("centroid_x", "centroid_y"),
    ("spatial_x", "spatial_y"),
    ("spatial_1", "spatial_2"),
    ("coord_x", "coord_y"),
    ("x_coord", "y_coord"),
    ("xcoord", "ycoord"),
    ("pos_x", "pos_y"),
    ("x_position", "y_position"),
    ("x_location", "y_location"),
    ("pixel_x", "pixel_y"),
    ("array_col", "array_row"),
    ("array_x", "array_y"),
    ("col", "row"),
)
"""Names of positions in ``obs``, in lower case."""


def read_positions(source: Source, key: str | None, name: str = "spatial_key", option: str | None = None) -> np.ndarray:
    """Positions as float64 (n, 2); text is converted where it is numbers.

    Args:
        source: The table.
        key: Name in ``obsm``, or two columns of ``obs`` with a comma between them; "spatial" for None.
        name: What the key is called in Python, for errors.
        option: What it is called on the command line; ``--`` and the name if omitted.

    Raises:
        InputError: for none, for others than two columns, or for what is no number; entries may be NaN.
    """
    title, tables, columns = source.name, sorted(source.keys("obsm")), sorted(source.keys("obs"))
    wanted = "spatial" if key is None else key
    if wanted in tables:
        where = f"obsm[{wanted!r}]"
        pos = _numbers(title, where, source.read(f"obsm/{wanted}"))
    elif key is None:
        raise InputError(
            f"{title}: expected positions in obsm['spatial'], found {', '.join(tables) or 'none'}; "
            f"{_remedy(source, tables, columns)}."
        )
    else:
        pair = [part.strip() for part in key.split(",")]
        missing = [column for column in pair if column not in columns]
        expect(
            len(pair) == 2 and not missing,
            f"{title}: expected positions in obsm[{key!r}] or two columns of obs like 'x,y', found obsm {tables} "
            f"and obs {', '.join(columns) or 'without columns'}{nearest_name(key, tables)}; "
            f"{_named(source, tables, columns, name, option) or f'name one of them with {argument(name, option)}'}.",
        )
        where = f"obs[{pair}]"
        pos = np.column_stack([_numbers(title, where, read_column(source, "obs", column)) for column in pair])
    shape = pos.shape
    expect(
        len(shape) == 2 and shape[1] == 2,
        f"{title}: expected two-dimensional positions (spots x 2) in {where}, found "
        f"{f'{shape[1]} columns' if len(shape) == 2 else f'shape {shape}'}; "
        "keep the two coordinates in the plane of the section"
        f"{f', such as np.asarray(adata.{where})[:, :2]' if len(shape) == 2 and shape[1] > 2 else ''}.",
    )
    return pos


def likely_positions(tables: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Keys under which positions may lie, by their names: of tables with two columns, and of pairs of columns of ``obs``."""
    names = {column.lower(): column for column in columns}
    found = [key for key in tables if key.lower() in TABLES or "spatial" in key.lower() or "coord" in key.lower()]
    return found + [f"{names[x]},{names[y]}" for x, y in COLUMNS if x in names and y in names]


def _numbers(name: str, where: str, table: Any) -> np.ndarray:
    """Float64 of whatever holds numbers, be it as text."""
    found = np.empty(0, dtype=object)
    try:
        if hasattr(table, "toarray"):
            table = table.toarray()
        found = np.asarray(table.to_numpy() if hasattr(table, "to_numpy") else table)
        if np.ma.is_masked(table):
            found = np.ma.filled(table.astype(np.float64), np.nan)
        if found.dtype.kind in "fiu":
            return found.astype(np.float64)
        if found.dtype.kind in "OSUT":
            return np.array([_number(value) for value in found.ravel().tolist()], dtype=np.float64).reshape(found.shape)
    except (ValueError, TypeError, UnicodeDecodeError):
        pass
    kind = "text or objects that are no numbers" if found.dtype.kind in "OSUT" else str(found.dtype)
    raise InputError(f"{name}: expected numeric positions in {where}, found {kind}; convert them with astype(float).")


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    if value is None or type(value).__name__ == "NAType":  # missing, for pandas
        return float("nan")
    return float(value.decode() if isinstance(value, bytes) else value)


def _remedy(source: Source, tables: list[str], columns: list[str]) -> str:
    """The way out: the folder around a matrix of Space Ranger, or positions under another name, if there are any."""
    where = Path(source.where)
    if not tables and where.exists() and (where.parent / "spatial").is_dir() and ranger_folder(where.parent):
        return f"pass the folder {where.parent}, whose spatial/ holds them"
    named = _named(source, tables, columns, "spatial_key")
    if not named and "spatialdata_attrs" in source.keys("uns"):
        return "put those of the shapes there with spatialdata.get_centroids, since shapes and points are not read"
    if not named:
        return f"{_from_tenx(where)}add them (spots x 2), or name them with {argument('spatial_key')}"
    return named


def _named(source: Source, tables: list[str], columns: list[str], name: str, option: str | None = None) -> str:
    """How to name what may be positions, as the reader of an error would write it; "" where nothing may be."""
    others = likely_positions([key for key in tables if (source.shape(f"obsm/{key}") or (0, 2))[1:] == (2,)], columns)
    more = f" (or {', '.join(others[1:3])})" if others[1:] else ""
    return f"name them with {assigned(name, others[0], option)}{more}" if others else ""


def _from_tenx(where: Path) -> str:
    """What to do about a matrix of 10x Genomics, or a folder with one, that has no positions; "" for other files."""
    if where.name in CELLS:
        return f"{CELLS[where.name]}, or "
    folder = ranger_folder(where) or where
    if (folder / "spatial.tar.gz").is_file():
        return f"unpack {folder / 'spatial.tar.gz'}, or "
    plain = unprefixed(where.name)
    if plain and (where.parent / "spatial").is_dir():
        return f"rename it to {plain} and pass the folder {where.parent}, whose spatial/ holds them, or "
    return "pass the folder of Space Ranger that has this matrix and spatial/ in it, or " * (where.suffix == ".h5")

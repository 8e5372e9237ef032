"""The output folder of Space Ranger: a 10x matrix, and ``spatial/`` with the places of the barcodes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyg_gears.data.io.inspection import inspect_file
from pyg_gears.data.io.inspection.limits import available_memory
from pyg_gears.data.io.tenx_folder import contents, is_tenx_folder, read_tenx_folder, rows_of
from pyg_gears.data.io.tenx_matrix import read_tenx
from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData

_MATRICES = ("filtered_feature_bc_matrix", "raw_feature_bc_matrix")
_COLUMNS = ("barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres")
# A barcode, three whole numbers and two others as Python objects.
_ROW_BYTES = 250
_REMEDY = "pass the folder 'outs' as Space Ranger wrote it"


def ranger_folder(path: FilePath) -> Path | None:
    """The folder that holds a matrix: ``path`` itself, ``outs`` in it, or None."""
    for folder in (Path(path), Path(path) / "outs"):
        if any((folder / f"{name}.h5").is_file() or is_tenx_folder(folder / name) for name in _MATRICES):
            return folder
    return None


def ranger_name(path: FilePath) -> str:
    """Name of the slide: the folder's, or that of the sample for its ``outs``."""
    folder = Path(os.path.abspath(path))
    return folder.parent.name if folder.name == "outs" else folder.name


def read_ranger(folder: Path, name: str) -> AnnData:
    """Read counts and, where there is a folder ``spatial``, positions.

    Args:
        folder: What :func:`ranger_folder` found.
        name: Name of the slide, for messages.

    Returns:
        Spots x genes, with ``obs["in_tissue"]`` and the array's rows and columns, and ``obsm["spatial"]`` in pixels of the
        full resolution, x to the right and y down.

    Raises:
        InputError: for damaged files, or barcodes without a position.
    """
    adata = _counts(folder, name)
    spatial = folder / "spatial"
    if not spatial.is_dir():
        return adata
    table = _positions(spatial)
    index = {barcode: row for row, barcode in enumerate(table["barcode"])}
    rows = [index.get(barcode, -1) for barcode in adata.obs_names]
    expect(
        -1 not in rows,
        f"{name}: expected a position for each of {len(rows)} barcodes in {spatial}, found {rows.count(-1)} without one; "
        f"{_REMEDY}.",
    )
    for column in _COLUMNS[1:4]:
        adata.obs[column] = _whole(table[column], column, spatial)[rows]
    x, y = (_number(table[column], column, spatial)[rows] for column in (_COLUMNS[5], _COLUMNS[4]))
    adata.obsm["spatial"] = np.stack([x, y], axis=1)
    return adata


def _counts(folder: Path, name: str) -> AnnData:
    for matrix in _MATRICES:
        path = folder / f"{matrix}.h5"
        if path.is_file():
            expect(
                folder.resolve() in path.resolve().parents,
                f"expected a file at {path}, found a link that leads out of the folder; copy the file there.",
            )
            expect(
                inspect_file(path, "hdf5") == "10x",
                f"expected a matrix of 10x Genomics at {path}, found other HDF5; {_REMEDY}.",
            )
            return read_tenx(path, name)
        if is_tenx_folder(folder / matrix):
            return read_tenx_folder(folder / matrix, name)
    raise AssertionError("ranger_folder has found one")


def _positions(spatial: Path) -> dict[str, Any]:
    if (spatial / "tissue_positions.parquet").is_file():
        return _parquet(spatial / "tissue_positions.parquet")
    text = contents(spatial, "tissue_positions.csv", "tissue_positions_list.csv")
    rows = [row for row in rows_of(text, f"{spatial}/tissue_positions.csv", ",") if row]
    # Space Ranger 2 and later writes a header.
    header = list(rows.pop(0)) if rows and rows[0][:1] == ["barcode"] else list(_COLUMNS)
    odd = [header] if not set(_COLUMNS) <= set(header) else [row for row in rows if len(row) != len(header)]
    expect(
        not odd,
        f"expected the columns {', '.join(_COLUMNS)} with commas between them in {spatial}, found the line "
        f"{','.join((odd or [header])[0])[:100]!r}; {_REMEDY}.",
    )
    columns = dict(zip(header, zip(*rows, strict=True), strict=False))
    return {column: list(columns.get(column, ())) for column in _COLUMNS}


def _parquet(path: Path) -> dict[str, Any]:
    expect(
        path.parent.resolve() == path.resolve().parent,
        f"expected a file at {path}, found a link that leads out of the folder; copy the file there.",
    )
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise InputError(
            f"expected the package pyarrow to read {path}, found none; install it with pip install 'pyg-gears[io]'."
        ) from None
    try:
        rows = parquet.read_metadata(path).num_rows
        expect(
            rows * _ROW_BYTES <= available_memory(),
            f"expected positions that fit into memory in {path}, found {rows} barcodes; {_REMEDY}.",
        )
        table = parquet.read_table(path, columns=list(_COLUMNS), memory_map=False)
        return {column: table[column].to_pylist() for column in _COLUMNS}
    except (ArrowException, OSError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"expected positions of barcodes in {path}, found {reason}; {_REMEDY}.") from None


def _whole(values: Any, column: str, where: Path) -> np.ndarray:
    numbers = _number(values, column, where)
    expect(
        bool((numbers == np.round(numbers)).all()),
        f"expected whole numbers in column {column} of {where}, found fractions; {_REMEDY}.",
    )
    return numbers.astype(np.int64)


def _number(values: Any, column: str, where: Path) -> np.ndarray:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array([np.nan])
    expect(
        bool(np.isfinite(numbers).all()),
        f"expected numbers in column {column} of {where}, found text or gaps; {_REMEDY}.",
    )
    return numbers

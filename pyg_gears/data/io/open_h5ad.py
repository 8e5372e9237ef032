"""Open an ``.h5ad`` file and read its elements, with one sentence for everything that can be wrong with the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py

from pyg_gears.data.io.inspection import inspect_file
from pyg_gears.data.io.row_names import names_of_rows
from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath


@contextmanager
def open_h5ad(path: FilePath) -> Iterator[h5py.File]:
    """An open HDF5 file, for reading, once a child process has looked through it.

    Raises:
        InputError: for one that is damaged or unsafe.
    """
    inspect_file(path, "hdf5")
    with reading(path):
        file = h5py.File(path, "r")
    with file:
        yield file


@contextmanager
def reading(path: FilePath) -> Iterator[None]:
    """Around calls of h5py, zarr and anndata, and nothing else: what they cannot read is a damaged file."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # anndata has exceptions of its own kind, such as IORegistryError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"expected a readable .h5ad file at {path}, found a damaged one ({reason}); "
            "write it with anndata's write_h5ad."
        ) from error


def index_names(root: Any, table: str, where: str) -> tuple[str, ...]:
    """Names of the rows of ``obs`` or ``var`` in an open file or zarr group.

    Raises:
        InputError: for a table as anndata before 0.7 wrote it, or one that is damaged.
    """
    with reading(where):
        index = root[table].attrs.get("_index") if hasattr(root[table], "keys") else None
    expect(
        index is not None,
        f"expected tables as anndata 0.7 and later writes them in {where}, found an older layout; "
        "read and write the file once with a recent anndata.",
    )
    return names_of_rows(read_element(root, f"{table}/{index}", where))


def read_element(root: Any, key: str, where: str) -> Any:
    """One element in its type in memory, such as a sparse matrix or a data frame.

    Raises:
        InputError: for one that is damaged.
    """
    from anndata.io import read_elem

    with reading(where):
        return read_elem(root[key])

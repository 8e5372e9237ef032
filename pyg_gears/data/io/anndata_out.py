"""AnnData files out: slides, cells and layouts as ``.h5ad``, without torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array, sparray, spmatrix

from pyg_gears.data.io.named_path import named_path
from pyg_gears.data.io.open_source import open_source
from pyg_gears.data.io.store_anndata import store_anndata, store_copy
from pyg_gears.data.io.stored_source import StoredSource
from pyg_gears.data.leftovers import remove_parts
from pyg_gears.data.slide import Slide
from pyg_gears.data.whole_file import whole_file, writing
from pyg_gears.data.writable_folder import check_writable_folder
from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData


def check_output(path: FilePath) -> None:
    """Check that a new file can be written at ``path``, before any work is done for it.

    Raises:
        InputError: when it exists, or its folder is missing or not writable.
    """
    path = Path(path)
    with writing(path):
        expect(not path.exists(), f"expected a new file at {path}, found an existing one; remove it or name another.")
        expect(path.parent.is_dir(), f"expected a folder at {path.parent}, found none; create it or name another.")
        remove_parts(path.parent, of=path)
    check_writable_folder(path.parent)


def check_outputs(folder: FilePath, names: Iterable[str]) -> None:
    """Check that new files can be written into a folder that is made if missing, before any work is done for them.

    Args:
        folder: The folder.
        names: The files' names.

    Raises:
        InputError: when one of them exists, or the folder cannot be made or written to.
    """
    check_writable_folder(folder)
    if Path(folder).is_dir():
        for name in names:
            check_output(Path(folder) / name)


def write_slide(
    path: FilePath,
    slide: Slide,
    *,
    obs: Mapping[str, np.ndarray] | None = None,
    obsm: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a slide or cells as ``.h5ad``, whole or not at all.

    Args:
        path: A new file.
        slide: What to write; positions go to ``obsm["spatial"]``.
        obs: Further columns, each of length n.
        obsm: Further tables, each with n rows.

    Raises:
        InputError: when the file exists or cannot be written.
    """
    _write(path, slide_anndata(slide, obs=obs, obsm=obsm))


def slide_anndata(
    slide: Slide, *, obs: Mapping[str, np.ndarray] | None = None, obsm: Mapping[str, np.ndarray] | None = None
) -> AnnData:
    """A slide or cells as :func:`write_slide` writes them."""
    from anndata import AnnData

    adata = AnnData(slide.counts)
    adata.obs_names, adata.var_names = list(slide.cells), list(slide.genes)
    for key, value in (obs or {}).items():
        adata.obs[key] = np.asarray(value)
    if slide.pos is not None:
        adata.obsm["spatial"] = np.array(slide.pos)
    for key, value in (obsm or {}).items():
        adata.obsm[key] = np.asarray(value)
    return adata


def write_layout(
    path: FilePath,
    source: FilePath | AnnData,
    *,
    pos: Float[np.ndarray, "n 2"],
    confidence: Float[np.ndarray, " n"],
    distances: sparray | spmatrix,
    info: Mapping[str, Any],
    at_last: Callable[[], None] | None = None,
) -> None:
    """Write the source's AnnData with its layout, whole or not at all.

    Adds ``obsm["X_gears"]``, ``obs["gears_confidence"]``, ``obsp["gears_distances"]`` and ``uns["gears"]``; everything
    that the source holds stays. An ``.h5ad`` is copied as it is, element by element, and not read.

    Args:
        path: A new file.
        source: The cells' file in any format that is read, or their AnnData (it is not changed; a backed one is read
            into memory).
        pos: Layout in the gauge, shape (n, 2).
        confidence: Trust in each cell's place, shape (n,), 0..1.
        distances: Distances in the layout's unit, any SciPy sparse format, shape (n, n).
        info: Recipe, versions, residuals; what HDF5 cannot hold is stored as JSON text.
        at_last: Called when all is written, just before the file appears.

    Raises:
        InputError: when the file exists or cannot be written, sizes disagree, or a backed AnnData cannot be read into memory.
    """
    import anndata

    check_output(path)
    square: Any = distances  # SciPy's types know no common shape
    added = {
        "obs/gears_confidence": np.asarray(confidence),
        "obsm/X_gears": np.asarray(pos),
        "obsp/gears_distances": csr_array(square),
        "uns/gears": _storable(dict(info)),
    }

    def check_sizes(n: int) -> None:
        shapes = (np.shape(pos), np.shape(confidence), square.shape)
        expect(
            shapes == ((n, 2), (n,), (n, n)),
            f"expected a layout of {n} cells, found shapes {shapes}; pass the cells that the layout was made from.",
        )

    if isinstance(source, anndata.AnnData):
        adata = _copied(source)
    else:
        with open_source(named_path(source).path) as table:
            if isinstance(table, StoredSource) and isinstance(table.root, h5py.File):
                check_sizes(len(table.row_names("obs")))
                with whole_file(path) as temporary:
                    store_copy(temporary, table.root, added)
                    if at_last is not None:
                        at_last()
                return
            adata = table.to_anndata()
    check_sizes(adata.n_obs)
    for key, value in added.items():
        group, name = key.split("/")
        getattr(adata, group)[name] = value
    _write(path, adata, at_last)


def _copied(adata: AnnData) -> AnnData:
    """A copy; of one that is backed by a file, or holds what ``read_lazy`` of anndata gives, in memory."""
    import pandas as pd

    if not adata.isbacked and isinstance(adata.obs, pd.DataFrame):
        with suppress(TypeError):  # of elements of an open file in uns there is no deep copy
            return adata.copy()
    try:
        found = adata.to_memory(copy=True)
        found.uns = _read(found.uns)
        return found
    except KeyError as error:  # anndata reads no backed file without X
        raise InputError(
            f"expected an AnnData that can be read into memory, found one that cannot ({error.args[0]}); pass its file's path."
        ) from None


def _read(value: Any) -> Any:
    """A value of ``uns`` whose lazy categoricals and nullable arrays are read, which anndata's ``to_memory`` leaves lazy."""
    if isinstance(value, Mapping):
        return {key: _read(item) for key, item in value.items()}
    if not hasattr(value, "get_duck_array"):
        return value
    found = value.get_duck_array()
    return getattr(found, "array", found)


def _storable(value: Any) -> Any:
    if isinstance(value, Mapping):
        # A slash would open a sub-group in HDF5.
        return {str(key).replace("/", "_"): _storable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return value
    if isinstance(value, str | bool | int | float | np.generic):
        return value
    return json.dumps(value, default=str)


def _write(path: FilePath, adata: AnnData, at_last: Callable[[], None] | None = None) -> None:
    check_output(path)
    with whole_file(path) as temporary:
        store_anndata(temporary, adata)
        if at_last is not None:
            at_last()

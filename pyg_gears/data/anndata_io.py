"""AnnData files in and out: slides, cells and layouts as ``.h5ad``, without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Float
from scipy.sparse import csr_array, sparray, spmatrix

from pyg_gears.data.leftovers import part_of, remove_parts, removed_at_the_end
from pyg_gears.data.open_h5ad import index_names, open_h5ad, read_element, reading
from pyg_gears.data.slide import MIN_CELLS, MIN_GENES, MIN_SPOTS, Slide, check_cells, check_slide
from pyg_gears.data.store_anndata import store_anndata
from pyg_gears.data.whole_file import whole_file, writing
from pyg_gears.errors import InputError, expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData


class H5adSummary(NamedTuple):
    """Name and genes of a file, read without its counts."""

    name: str
    genes: tuple[str, ...]


def read_slide(path: FilePath) -> Slide:
    """Read a section: ``X`` (raw counts), names and ``obsm["spatial"]`` (n x 2).

    Args:
        path: An ``.h5ad`` file; its stem becomes the slide's name.

    Returns:
        The checked slide.

    Raises:
        InputError: when the file is not a usable slide.
    """
    with open_h5ad(path) as file:
        return check_structure(path, file, spatial=True).read()


def read_cells(path: FilePath) -> Slide:
    """Read dissociated cells: ``X`` and names only. Coordinates in the file, if any, are never read.

    Args:
        path: An ``.h5ad`` file.

    Returns:
        The cells as a slide with ``pos=None``.

    Raises:
        InputError: when the file has no usable counts.
    """
    with open_h5ad(path) as file:
        return check_structure(path, file, spatial=False).read()


def slide_from_anndata(adata: AnnData, name: str) -> Slide:
    """The same as ``read_slide`` for an ``AnnData`` in memory."""
    expect("spatial" in adata.obsm, _no_positions(name, adata.obsm))
    slide = Slide(
        name, _counts(name, adata.X), tuple(adata.var_names), tuple(adata.obs_names), np.asarray(adata.obsm["spatial"])
    )
    check_slide(slide)
    return slide


def cells_from_anndata(adata: AnnData, name: str) -> Slide:
    """The same as ``read_cells`` for an ``AnnData`` in memory: coordinates in it are not read."""
    cells = Slide(name, _counts(name, adata.X), tuple(adata.var_names), tuple(adata.obs_names))
    check_cells(cells)
    return cells


def check_h5ad(path: FilePath, *, spatial: bool) -> H5adSummary:
    """Check a file by its structure alone, in milliseconds and without its counts.

    Args:
        path: The file.
        spatial: Whether it must be a slide (positions, 30 spots) or may be cells.

    Returns:
        Name and genes.

    Raises:
        InputError: for a missing file, a file that is no AnnData, no counts, no or misshapen positions, too few spots
            or genes.
    """
    with open_h5ad(path) as file:
        found = check_structure(path, file, spatial=spatial)
        return H5adSummary(found.name, found.genes)


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
    try:
        # Permission bits are not enough (read-only mounts, full disks): write.
        part = part_of(path)
        with removed_at_the_end(part.unlink):
            part.write_bytes(b" ")
    except OSError as error:
        raise InputError(f"expected a writable folder, found {path.parent} ({error.strerror}); name another.") from None


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
    that the source holds stays.

    Args:
        path: A new file.
        source: The cells' file, or their AnnData (it is not changed).
        pos: Layout in the gauge, shape (n, 2).
        confidence: Trust in each cell's place, shape (n,), 0..1.
        distances: Distances in the layout's unit, any SciPy sparse format, shape (n, n).
        info: Recipe, versions, residuals; what HDF5 cannot hold is stored as JSON text.
        at_last: Called when all is written, just before the file appears.

    Raises:
        InputError: when the file exists or cannot be written, or sizes disagree.
    """
    import anndata

    check_output(path)
    adata = source.copy() if isinstance(source, anndata.AnnData) else anndata.read_h5ad(os.fspath(source))
    n = adata.n_obs
    square: Any = distances  # SciPy's types know no common shape
    shapes = (np.shape(pos), np.shape(confidence), square.shape)
    expect(
        shapes == ((n, 2), (n,), (n, n)),
        f"expected a layout of {n} cells, found shapes {shapes}; pass the cells that the layout was made from.",
    )
    adata.obsm["X_gears"] = np.asarray(pos)
    adata.obs["gears_confidence"] = np.asarray(confidence)
    adata.obsp["gears_distances"] = csr_array(square)
    adata.uns["gears"] = _storable(dict(info))
    _write(path, adata, at_last)


class Structure(NamedTuple):
    """An open file whose structure has been checked: what it is, and the names of its cells and genes."""

    name: str
    file: h5py.File
    spatial: bool
    cells: tuple[str, ...]
    genes: tuple[str, ...]

    def read(self) -> Slide:
        """The slide, or the cells (without positions), with their counts."""
        pos = np.asarray(read_element(self.file, "obsm/spatial")) if self.spatial else None
        slide = Slide(self.name, _counts(self.name, read_element(self.file, "X")), self.genes, self.cells, pos)
        (check_slide if self.spatial else check_cells)(slide)
        return slide


def check_structure(path: FilePath, file: h5py.File, *, spatial: bool) -> Structure:
    """Check that an open file has enough cells and genes and, for a slide, positions; its counts are not read.

    Raises:
        InputError: for a file that is no AnnData, no or misshapen positions, too few spots or genes.
    """
    name = Path(path).stem
    with reading(file.filename):
        missing = [key for key in ("X", "obs", "var") if key not in file]
    expect(
        not missing,
        f"expected an AnnData file at {file.filename}, found HDF5 without {', '.join(missing)}; "
        "write it with anndata's write_h5ad.",
    )
    cells, genes = index_names(file, "obs"), index_names(file, "var")
    if spatial:
        with reading(file.filename):
            tables = list(file["obsm"]) if "obsm" in file else []
        expect("spatial" in tables, _no_positions(name, tables))
        with reading(file.filename):
            # A data frame has no shape; Slide checks it.
            shape = getattr(file["obsm/spatial"], "shape", (len(cells), 2))
        expect(
            len(shape) == 2 and shape[1] == 2,
            f"{name}: expected two-dimensional positions (spots x 2), found shape {tuple(shape)}; "
            "keep the two coordinates in the plane of the section.",
        )
    least, what = (MIN_SPOTS, "spots") if spatial else (MIN_CELLS, "cells")
    expect(len(cells) >= least, f"{name}: expected at least {least} {what}, found {len(cells)}; use a larger sample.")
    expect(len(genes) >= MIN_GENES, f"{name}: expected at least {MIN_GENES} genes, found {len(genes)}; keep more.")
    return Structure(name, file, spatial, cells, genes)


def _counts(name: str, x: Any) -> csr_array:
    dtype = getattr(x, "dtype", np.dtype(object))
    found = "none" if x is None else f"{type(x).__name__} of {dtype}"
    expect(dtype.kind in "fiub", f"{name}: expected numeric counts in X, found {found}; put raw counts into X.")
    return csr_array(x)


def _no_positions(name: str, obsm: Any) -> str:
    return f"{name}: expected positions in obsm['spatial'], found {sorted(obsm)}; add them (spots x 2)."


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

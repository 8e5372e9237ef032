"""An AnnData as an HDF5 file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData


COMPRESSION = {"compression": "gzip"}


def store_anndata(path: Path, adata: AnnData) -> None:
    """Write to ``path`` itself: the temporary one of a :func:`~pyg_gears.data.whole_file.whole_file`.

    HDF5 writes chunk by chunk: the file is never in memory whole.

    Raises:
        OSError: when the file system refuses.
    """
    import anndata
    from anndata.io import write_elem

    adata.strings_to_categoricals()
    if adata.raw is not None:
        adata.strings_to_categoricals(adata.raw.var)
    with anndata.settings.override(allow_write_nullable_strings=True), _new_file(path) as (file, target):
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name in ("X", "raw", "obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns"):
            part = getattr(adata, name)
            if part is not None and target.refusal is None:
                if name not in ("X", "raw", "obs", "var"):
                    # In anndata 0.13, layers[None] is X.
                    part = {key: value for key, value in part.items() if key is not None}
                write_elem(file, name, part, dataset_kwargs=COMPRESSION)


def store_copy(path: Path, root: h5py.File, added: Mapping[str, Any]) -> None:
    """Write a copy of an open ``.h5ad`` with some elements added, which replace those of their names.

    What is copied is neither decompressed nor in memory, whatever its size.

    Args:
        path: The temporary path of a :func:`~pyg_gears.data.whole_file.whole_file`.
        root: The open file.
        added: Elements by key, "obs/column" or "obsm/name" and the like.

    Raises:
        OSError: when the file system refuses.
    """
    from anndata.io import write_elem

    with _new_file(path) as (file, target):
        file.attrs.update(root.attrs)
        for name in root:
            if target.refusal is None:
                root.copy(root[name], file, name)
        for key, value in added.items():
            group, name = key.split("/", 1)
            if target.refusal is not None:
                break
            if group not in file:
                write_elem(file, group, {})
            if key in file:
                del file[key]
            write_elem(file[group], name, value, dataset_kwargs=COMPRESSION)
            if group == "obs":
                columns = [column for column in file[group].attrs["column-order"] if column != name]
                file[group].attrs["column-order"] = np.array([*columns, name], dtype=h5py.string_dtype())


@contextmanager
def _new_file(path: Path) -> Iterator[tuple[h5py.File, _Target]]:
    """A new HDF5 file; what the file system refused is raised at the end."""
    with _Target(path, "w+") as target:
        try:
            with h5py.File(target, "w") as file:
                yield file, target
        finally:
            if target.refusal is not None:
                raise target.refusal


class _Target(io.FileIO):
    """A file that HDF5 takes for one without end.

    On a full disk HDF5 fails again whenever it closes something, and ends with a segmentation fault; there it also swallows the
    user's Ctrl-C. So what stops a write is kept here, and all that comes after it goes nowhere.
    """

    refusal: BaseException | None = None

    def write(self, data: Any, /) -> int:
        if self.refusal is None:
            rest = memoryview(data)
            try:
                while rest:  # as much at a time as the system takes
                    rest = rest[super().write(rest) :]
            except BaseException as error:
                self.refusal = error
        return len(data)

    def truncate(self, size: int | None = None, /) -> int:
        if self.refusal is None:
            try:
                return super().truncate(size)
            except BaseException as error:
                self.refusal = error
        return size or 0

"""An AnnData as an HDF5 file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

if TYPE_CHECKING:
    from anndata import AnnData


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
    with (
        anndata.settings.override(allow_write_nullable_strings=True),
        _Target(path, "w+") as target,
    ):
        try:
            with h5py.File(target, "w") as file:
                file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
                for name in ("X", "raw", "obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns"):
                    part = getattr(adata, name)
                    if part is not None and target.refusal is None:
                        tables = name not in ("X", "raw", "obs", "var")
                        write_elem(file, name, dict(part) if tables else part, dataset_kwargs={"compression": "gzip"})
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

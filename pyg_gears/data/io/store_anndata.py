"""An AnnData as bytes of an HDF5 file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from anndata import AnnData


def store_anndata(path: Path, adata: AnnData) -> None:
    """Write to ``path`` itself: the temporary one of a :func:`~pyg_gears.data.whole_file.whole_file`.

    The file is made in memory: HDF5 on a full disk fails again whenever it closes something, and ends with a segmentation fault.
    """
    import anndata
    from anndata.io import write_elem

    adata.strings_to_categoricals()
    if adata.raw is not None:
        adata.strings_to_categoricals(adata.raw.var)
    with (
        anndata.settings.override(allow_write_nullable_strings=True),
        h5py.File("memory", "w", driver="core", backing_store=False) as file,
    ):
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name in ("X", "raw", "obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns"):
            part = getattr(adata, name)
            if part is not None:
                tables = name not in ("X", "raw", "obs", "var")
                write_elem(file, name, dict(part) if tables else part, dataset_kwargs={"compression": "gzip"})
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)

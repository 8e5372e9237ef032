"""Counts as 10x Genomics writes them: ``.h5`` of Cell Ranger 2 and later, Space Ranger and Xenium, or a Matrix Market folder."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from scipy.sparse import csr_matrix

from pyg_gears.data.io.gene_features import EXPRESSION
from pyg_gears.data.io.open_h5ad import reading
from pyg_gears.errors import expect
from pyg_gears.typing import FilePath

if TYPE_CHECKING:
    from anndata import AnnData

_REMEDY = "pass the matrix that Cell Ranger or Space Ranger wrote"


def read_tenx(path: FilePath, name: str) -> AnnData:
    """Read a ``.h5`` file that :func:`~pyg_gears.data.io.inspection.inspect_file` has passed.

    Args:
        path: ``filtered_feature_bc_matrix.h5`` or its like.
        name: Name of the slide, for messages.

    Returns:
        Cells x genes with ``var["gene_ids"]``; see :func:`tenx_anndata` for what is left out.

    Raises:
        InputError: for several genomes in a file of Cell Ranger 2, or no gene expression.
    """
    with h5py.File(path, "r") as file:
        groups = [name for name in file if {"indptr", "barcodes"} <= set(_keys(file[name]))]
        expect(
            len(groups) == 1,
            f"expected one matrix in {path}, found {', '.join(groups) or 'none'}; export the cells of one genome.",
        )
        with reading(path):
            group = file[groups[0]]
            features = group.get("features", group)
            keys = {"name": "name", "id": "id", "feature_type": "feature_type"}
            if "features" not in group:
                keys = {"name": "gene_names", "id": "genes"}
            columns = {part: _text(features[key]) for part, key in keys.items() if key in features}
            barcodes = _text(group["barcodes"])
            # Compressed by barcode: the same three arrays are barcodes x genes, compressed by row.
            counts = csr_matrix(
                (group["data"][:], group["indices"][:], group["indptr"][:]), shape=(len(barcodes), len(columns["name"]))
            )
    return tenx_anndata(name, counts, barcodes, columns)


def tenx_anndata(name: str, counts: csr_matrix, barcodes: np.ndarray, columns: dict[str, np.ndarray]) -> AnnData:
    """An AnnData of gene expression alone, without empty barcodes of a raw matrix; warnings say what is left out.

    Args:
        name: For messages.
        counts: Barcodes x features.
        barcodes: Their names.
        columns: ``"name"`` and, where the file has them, ``"id"`` and ``"feature_type"`` of each feature.

    Raises:
        InputError: when no feature is gene expression.
    """
    from anndata import AnnData

    kinds = columns.get("feature_type", np.full(counts.shape[1], EXPRESSION))
    genes = kinds == EXPRESSION
    others = sorted(set(kinds[~genes].tolist()))
    expect(
        bool(genes.any()) or not len(genes),
        f"{name}: expected features of type {EXPRESSION}, found {', '.join(map(repr, others))}; {_REMEDY}.",
    )
    if others:
        counts, columns = counts[:, genes], {key: column[genes] for key, column in columns.items()}
        warnings.warn(
            f"{name}: {np.sum(~genes)} features that are not gene expression are left out ({', '.join(others)}).",
            stacklevel=2,
        )
    filled = np.diff(counts.indptr) > 0
    # A filtered matrix has few cells without counts, which the reader of cells deals with; a raw one is mostly empty.
    if 2 * np.count_nonzero(filled) < len(filled):
        counts, barcodes = counts[filled], barcodes[filled]
        warnings.warn(
            f"{name}: {np.sum(~filled)} barcodes without a count are left out; this looks like a raw matrix, "
            "of which the filtered one keeps the cells.",
            stacklevel=2,
        )
    adata = AnnData(counts)
    adata.obs_names, adata.var_names = barcodes.astype(object), columns["name"].astype(object)
    if "id" in columns:
        adata.var["gene_ids"] = columns["id"].astype(object)
    repeated = int(adata.var_names.duplicated().sum())
    if repeated:
        adata.var_names_make_unique()
        warnings.warn(
            f"{name}: {repeated} gene names occur again and are numbered, -1, -2, ...; the names in "
            "var['gene_ids'] are unique.",
            stacklevel=2,
        )
    return adata


def _keys(found: Any) -> list[str]:
    return list(found.keys()) if isinstance(found, h5py.Group) else []


def _text(found: Any) -> np.ndarray:
    values = found[:]
    return np.array([text.decode() if isinstance(text, bytes) else str(text) for text in values.tolist()], dtype=object)

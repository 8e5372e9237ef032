"""Formats of neighbouring tools that are HDF5 or zarr as well: what they are called and how they become AnnData."""

from __future__ import annotations

from pyg_gears.data.io.inspection.node import Node, Unfit


def refuse_relatives(root: Node) -> None:
    """Refuse MuData, loom and h5Seurat by name.

    Raises:
        Unfit: with the way to convert it.
    """
    children = set(root.children or {})
    if root.attrs.get("encoding-type") == "MuData" or {"mod", "obsmap"} <= children:
        raise Unfit(
            "a MuData file of several modalities",
            "write the one of gene expression, mdata.mod['rna'].write_h5ad(...), in Python",
        )
    if {"matrix", "row_attrs", "col_attrs"} <= children:
        raise Unfit("a loom file", "convert it with anndata.io.read_loom(...).write_h5ad(...) in Python")
    if {"assays", "cell.names"} <= children:
        raise Unfit("an h5Seurat file", "convert it with SeuratDisk::Convert(..., dest = 'h5ad') in R")
    if {"barcode_idx", "feature_idx", "umi"} <= children:
        raise Unfit("molecule information of Cell Ranger", "pass filtered_feature_bc_matrix.h5 from the same folder")

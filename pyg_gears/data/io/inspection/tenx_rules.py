"""Matrices as 10x Genomics writes them: genes x barcodes, compressed by barcode, with a list of names for each."""

from __future__ import annotations

from pyg_gears.data.io.inspection.node import Node, Unfit
from pyg_gears.data.io.inspection.sparse_rules import check_compressed, same_length, shape_of

_PARTS = {"data", "indices", "indptr", "shape", "barcodes"}


def tenx_groups(root: Node) -> list[Node]:
    """The matrices in the file: ``matrix`` since Cell Ranger 3, one for each genome before."""
    return [child for child in (root.children or {}).values() if len(_PARTS & set(child.children or {})) >= 4]


def check_tenx(root: Node) -> None:
    """Check every matrix and the lists of names that belong to it.

    Raises:
        Unfit: when sizes disagree, names are missing or indices point outside.
    """
    for group in tenx_groups(root):
        shape = group.array("shape")
        genes, barcodes = shape_of(shape.values(), group.called)
        check_compressed(group, major=barcodes, minor=genes)
        assert group.children is not None
        features = group.children.get("features")
        names = [group.array("barcodes")]
        same_length(names, barcodes, "barcodes")
        if features is not None:
            listed = [
                features.array(name)
                for name in ("id", "name", "feature_type", "genome")
                if name == "name" or name in (features.children or {})
            ]
        else:
            listed = [group.array("genes"), group.array("gene_names")]
        same_length(listed, genes, "genes")
        for node in (*names, *listed):
            if node.kind != "T":
                raise Unfit(f"{node.called} is no text")
    root.visit()

"""What a folder holds that is not read, or not as it stands: what to pass instead."""

from __future__ import annotations

import re
from pathlib import Path

CELLS = {
    "cell_feature_matrix.h5": "read it with spatialdata_io.xenium and write the store, whose table is read with positions",
    "filtered_feature_cell_matrix.h5": "put the centroids of cell_segmentations.geojson into obsm['spatial'] and write_h5ad, "
    "or pass one of binned_outputs/square_*",
}
"""Matrices of segmented cells without positions, of Xenium and of Space Ranger 4, and how these become a slide."""
MATRIX = re.compile(r"(?:filtered|raw)_feature_bc_matrix(?:\.h5)?")
_PREFIXED = re.compile(rf".+?[-_.]?({MATRIX.pattern}|(?:matrix\.mtx|barcodes\.tsv|features\.tsv|genes\.tsv)(?:\.gz)?)")


def other_folder(path: Path) -> str:
    """What a folder of no format holds, and the remedy, as the end of a sentence without full stop.

    Args:
        path: A folder that is neither a store nor one of 10x Genomics with a matrix.
    """
    roots = [root for root in (path, path / "outs") if root.is_dir()]
    bins = sorted(
        entry.name
        for root in (*(root / "binned_outputs" for root in roots), path)
        for entry in root.glob("square_*um")
        if entry.is_dir()
    )
    if bins:
        return f"with bins of several sizes ({', '.join(bins)}); pass one of these folders"
    for root in (*roots, *(root / "segmented_outputs" for root in roots)):
        for matrix, remedy in CELLS.items():
            if (root / matrix).is_file():
                return f"with {(root / matrix).relative_to(path)}; as cells pass this file; for a slide {remedy}"
    names = sorted(entry.name for entry in path.iterdir())
    files = [name for name in names if name.endswith(".h5ad")]
    if files:
        return f"with {', '.join(files[:3])}{', ...' * (len(files) > 3)}; pass the files"
    for name in names:
        plain = unprefixed(name)
        if plain:
            return f"with {name}; rename it to {plain}, and what belongs to it likewise"
    return "of none of these; check the path"


def unprefixed(name: str) -> str:
    """Name of a 10x file without the sample before it, as in downloads and archives; "" for other names."""
    found = _PREFIXED.fullmatch(name)
    return found[1] if found else ""

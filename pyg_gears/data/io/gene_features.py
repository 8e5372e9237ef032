"""Which features of a table are genes, where it says: antibodies and controls beside them are left out."""

from __future__ import annotations

import warnings

import numpy as np

from pyg_gears.data.io.obs_words import obs_words, read_column
from pyg_gears.data.io.source import Source
from pyg_gears.typing import IntArray

EXPRESSION = "Gene Expression"
"""What 10x Genomics calls the features that are genes."""
COLUMNS = ("feature_types", "feature_type")
"""Columns of ``var`` in which scanpy, muon and others keep that."""


def gene_features(source: Source, key: str) -> IntArray | None:
    """The features that are genes; None for all, also where the table does not tell. A warning says what is left out.

    Args:
        source: The table.
        key: Element that is read, such as "X"; ``.raw`` has a table of features of its own.
    """
    if key == "raw/X":
        table = source.read("raw/var")
        columns = [table[name] for name in COLUMNS if name in table]
    else:
        columns = [read_column(source, "var", name) for name in COLUMNS if name in source.keys("var")]
    if not columns:
        return None
    kinds = obs_words(columns[0])
    genes = kinds == EXPRESSION
    if genes.all() or not genes.any():
        return None
    others = sorted({str(kind) for kind in kinds[~genes]})
    warnings.warn(
        f"{source.name}: {np.sum(~genes)} features that are not gene expression are left out ({', '.join(others[:5])}).",
        stacklevel=2,
    )
    return np.flatnonzero(genes)
